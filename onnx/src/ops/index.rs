//! Ops that address elements by index, and scans along an axis: their output shapes.

use super::args::{Args, Inferred, axis};
use crate::DType;
use crate::graph::Attrs;

pub(super) fn infer(op: &str, attrs: &Attrs, args: &Args<'_>) -> Inferred {
    let x = args.need(0)?;
    let rank = x.shape.len();
    let along = |default: i64| axis(attrs.get_int("axis", default), rank);
    match op {
        // y[i, j] = x[index[i, j], j] for axis 0: as many axes as x, and no longer outside the axis.
        "GatherElements" => {
            let indices = args.need(1)?;
            fits_elements(x.shape, indices.shape, along(0)?)?;
            Ok(vec![(indices.shape.to_vec(), x.dtype)])
        }
        "ScatterElements" => {
            let (indices, updates) = (args.need(1)?, args.need(2)?);
            fits_elements(x.shape, indices.shape, along(0)?)?;
            if updates.shape != indices.shape {
                return Err(format!("updates {:?} and indices {:?} differ", updates.shape, indices.shape));
            }
            reduction(attrs)?;
            Ok(vec![(x.shape.to_vec(), x.dtype)])
        }
        "GatherND" => {
            let indices = args.need(1)?;
            let batch = attrs.get_int("batch_dims", 0);
            let batch = usize::try_from(batch).map_err(|_| format!("batch_dims {batch} is negative"))?;
            Ok(vec![(gathered(x.shape, indices.shape, batch)?, x.dtype)])
        }
        "ScatterND" => {
            let (indices, updates) = (args.need(1)?, args.need(2)?);
            let expected = gathered(x.shape, indices.shape, 0)?;
            if updates.shape != expected {
                return Err(format!("the updates have the shape {:?}; expected {expected:?}", updates.shape));
            }
            reduction(attrs)?;
            Ok(vec![(x.shape.to_vec(), x.dtype)])
        }
        "TopK" => {
            let along = along(-1)?;
            let k = args.ints(1)?.ok_or("K is missing")?;
            let [k] = k[..] else { return Err("K must be one number".into()) };
            let k = usize::try_from(k).ok().filter(|&k| k <= x.shape[along]);
            let mut shape = x.shape.to_vec();
            shape[along] = k.ok_or_else(|| format!("K does not fit an axis of {}", x.shape[along]))?;
            Ok(vec![(shape.clone(), x.dtype), (shape, DType::I64)])
        }
        "ArgMax" | "ArgMin" => {
            let along = along(0)?;
            let mut shape = x.shape.to_vec();
            match attrs.get_int("keepdims", 1) {
                0 => drop(shape.remove(along)),
                _ => shape[along] = 1,
            }
            Ok(vec![(shape, DType::I64)])
        }
        "CumSum" => {
            if args.need(1)?.shape.iter().any(|&d| d != 1) {
                return Err("the axis must be one number".into());
            }
            Ok(vec![(x.shape.to_vec(), x.dtype)])
        }
        "Trilu" if rank < 2 => Err("the input must have two axes".into()),
        "Trilu" => Ok(vec![(x.shape.to_vec(), x.dtype)]),
        _ => Err(format!("no rule for `{op}`")),
    }
}

/// The reduction of a Scatter op.
fn reduction(attrs: &Attrs) -> Result<(), String> {
    match attrs.get_str("reduction", "none") {
        "none" | "add" | "mul" | "min" | "max" => Ok(()),
        other => Err(format!("no rule for the reduction `{other}`")),
    }
}

fn fits_elements(data: &[usize], indices: &[usize], along: usize) -> Result<(), String> {
    let fits = |(i, (n, d)): (usize, (&usize, &usize))| i == along || n <= d;
    if indices.len() != data.len() || !indices.iter().zip(data).enumerate().all(fits) {
        return Err(format!("indices of shape {indices:?} do not fit {data:?} on axis {along}"));
    }
    Ok(())
}

/// The shape of GatherND: the last axis of the indices addresses the axes of the data after the batch.
fn gathered(data: &[usize], indices: &[usize], batch: usize) -> Result<Vec<usize>, String> {
    let [outer @ .., depth] = indices else { return Err("the indices must have an axis".into()) };
    if batch > outer.len() || batch > data.len() || outer[..batch] != data[..batch] {
        return Err(format!("{batch} batch axes of {data:?} and {indices:?} differ"));
    }
    let rest = data.get(batch + depth..).ok_or_else(|| format!("{depth} indices do not fit {data:?}"))?;
    Ok([outer, rest].concat())
}
