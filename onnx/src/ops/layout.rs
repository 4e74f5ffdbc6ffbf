//! Ops that rearrange elements without computing (reshape, transpose, slice, pad): their output shapes.

use super::args::{Args, Inferred, axes, axis, broadcast};
use crate::DType;
use crate::graph::{Attr, Attrs};

pub(super) fn infer(op: &str, attrs: &Attrs, args: &Args<'_>, outputs: usize) -> Inferred {
    let one = |shape: Vec<usize>, dtype: DType| Ok(vec![(shape, dtype)]);
    match op {
        "ConstantOfShape" => {
            let shape = dims(&args.ints(0)?.ok_or("input 0 is missing")?)?;
            let dtype = match attrs.0.get("value") {
                Some(Attr::Tensor(t)) => t.dtype(),
                _ => DType::F32,
            };
            return one(shape, dtype);
        }
        "Range" => {
            let end = |i| args.need(i).and_then(|a| a.constant.ok_or("Range needs constants".to_string()));
            let number = |i| end(i)?.to_f64().first().copied().ok_or("Range needs numbers".to_string());
            let (a, b, step) = (number(0)?, number(1)?, number(2)?);
            let count = ((b - a) / step).ceil().max(0.0) as usize;
            return one(vec![count], args.need(0)?.dtype);
        }
        _ => {}
    }
    let x = args.need(0)?;
    let rank = x.shape.len();
    let shape = match op {
        "Shape" => {
            let all = x.shape.len() as i64;
            let wrap = |v: i64| if v < 0 { v + all } else { v }.clamp(0, all);
            let (start, end) = (wrap(attrs.get_int("start", 0)), wrap(attrs.get_int("end", all)));
            return one(vec![(end - start).max(0) as usize], DType::I64);
        }
        "Reshape" => {
            let dims = args.ints(1)?.ok_or("the target shape is missing")?;
            reshape_target(x.shape, &dims, attrs)?
        }
        "Flatten" => {
            let given = attrs.get_int("axis", 1);
            let cut = if given == rank as i64 { rank } else { axis(given, rank)? };
            vec![x.shape[..cut].iter().product(), x.shape[cut..].iter().product()]
        }
        "Transpose" => {
            let perm = permutation(attrs, rank);
            let mut sorted = perm.clone();
            sorted.sort_unstable();
            if sorted != (0..rank).collect::<Vec<_>>() {
                return Err(format!("{:?} is not a permutation of {rank} axes", attrs.get_ints("perm")));
            }
            perm.iter().map(|&p| x.shape[p]).collect()
        }
        "Squeeze" => {
            let given = args.ints(1)?;
            let drop = match given {
                Some(_) => axes(given, rank)?,
                None => (0..rank).filter(|&i| x.shape[i] == 1).collect(),
            };
            if let Some(&i) = drop.iter().find(|&&i| x.shape[i] != 1) {
                return Err(format!("axis {i} has size {}, not 1", x.shape[i]));
            }
            (0..rank).filter(|i| !drop.contains(i)).map(|i| x.shape[i]).collect()
        }
        "Unsqueeze" => {
            let given = args.ints(1)?.ok_or("the axes are missing")?;
            let new_rank = rank + given.len();
            let new = axes(Some(given), new_rank)?;
            let mut old = x.shape.iter();
            (0..new_rank)
                .map(|i| if new.contains(&i) { 1 } else { old.next().copied().unwrap_or(1) })
                .collect()
        }
        "Concat" => {
            let along = axis(attrs.get_int("axis", 0), rank)?;
            let mut shape = x.shape.to_vec();
            for part in args.0.iter().flatten().skip(1) {
                let fits = part.shape.len() == rank
                    && part.shape.iter().zip(&shape).enumerate().all(|(i, (a, b))| i == along || a == b);
                if !fits {
                    return Err(format!("the inputs differ outside axis {along}"));
                }
                shape[along] += part.shape[along];
            }
            shape
        }
        "Split" => return split(attrs, args, outputs),
        "Slice" => {
            let mut shape = x.shape.to_vec();
            for (i, range) in slice_ranges(args)? {
                shape[i] = range.count;
            }
            shape
        }
        "Gather" => {
            let along = axis(attrs.get_int("axis", 0), rank)?;
            [&x.shape[..along], args.need(1)?.shape, &x.shape[along + 1..]].concat()
        }
        "Expand" => {
            let to = dims(&args.ints(1)?.ok_or("the target shape is missing")?)?;
            broadcast(&[x.shape, &to])?
        }
        "Tile" => {
            let repeats = args.ints(1)?.ok_or("the repeats are missing")?;
            if repeats.len() != rank {
                return Err(format!("{} repeats for an input of rank {rank}", repeats.len()));
            }
            x.shape.iter().zip(dims(&repeats)?).map(|(d, r)| d.saturating_mul(r)).collect()
        }
        "Pad" => {
            let pads = args.ints(1)?.ok_or("the pads are missing")?;
            if args.get(3).is_some() {
                return Err("no rule for Pad with `axes`".into());
            }
            if pads.len() != 2 * rank || pads.iter().any(|p| !(-1 << 40..=1 << 40).contains(p)) {
                return Err(format!("pads {pads:?} do not fit rank {rank}"));
            }
            let mode = attrs.get_str("mode", "constant");
            if !matches!(mode, "constant" | "reflect" | "edge") {
                return Err(format!("no rule for the mode `{mode}`"));
            }
            if mode != "constant" && pads.iter().any(|&p| p < 0) {
                return Err(format!("no rule for negative pads in the mode `{mode}`"));
            }
            if mode == "reflect" && (0..2 * rank).any(|i| pads[i] > 0 && pads[i] >= x.shape[i % rank] as i64)
            {
                return Err(format!("pads {pads:?} reflect more elements than the axis has"));
            }
            let size = |i: usize| {
                let n = x.shape[i] as i64 + pads[i] + pads[rank + i];
                usize::try_from(n).map_err(|_| format!("axis {i} would have size {n}"))
            };
            (0..rank).map(size).collect::<Result<_, _>>()?
        }
        _ => return Err(format!("no rule for `{op}`")),
    };
    one(shape, x.dtype)
}

fn split(attrs: &Attrs, args: &Args<'_>, outputs: usize) -> Inferred {
    let x = args.need(0)?;
    let along = axis(attrs.get_int("axis", 0), x.shape.len())?;
    let total = x.shape[along];
    let sizes = match args.ints(1)? {
        Some(s) => dims(&s)?,
        None => {
            let n = outputs.max(1);
            let piece = total.div_ceil(n);
            (0..n).map(|i| piece.min(total.saturating_sub(i * piece))).collect()
        }
    };
    if sizes.len() != outputs || sizes.iter().fold(0, |n: usize, &s| n.saturating_add(s)) != total {
        return Err(format!("pieces {sizes:?} do not split an axis of {total} into {outputs} outputs"));
    }
    let piece = |n: usize| {
        let mut shape = x.shape.to_vec();
        shape[along] = n;
        (shape, x.dtype)
    };
    Ok(sizes.into_iter().map(piece).collect())
}

/// The permutation of a Transpose: axis i of the result is axis `perm[i]`. By default the axes are reversed.
pub(crate) fn permutation(attrs: &Attrs, rank: usize) -> Vec<usize> {
    match attrs.get_ints("perm") {
        Some(p) => p.iter().map(|&p| usize::try_from(p).unwrap_or(usize::MAX)).collect(),
        None => (0..rank).rev().collect(),
    }
}

/// The target of a Reshape, with 0 (copy) and −1 (infer) resolved.
pub(crate) fn reshape_target(from: &[usize], dims: &[i64], attrs: &Attrs) -> Result<Vec<usize>, String> {
    let allow_zero = attrs.get_int("allowzero", 0) != 0;
    let total: usize = from.iter().product();
    let mut out = Vec::with_capacity(dims.len());
    for (i, &d) in dims.iter().enumerate() {
        out.push(match d {
            0 if !allow_zero => {
                *from.get(i).ok_or("a size of 0 copies an axis that the input does not have")?
            }
            -1 => usize::MAX,
            d => usize::try_from(d).map_err(|_| format!("the target size {d} is negative"))?,
        });
    }
    let known = out.iter().filter(|&&d| d != usize::MAX).try_fold(1usize, |n, &d| n.checked_mul(d));
    let known = known.ok_or("the target shape is too large")?;
    if let Some(rest) = out.iter_mut().find(|d| **d == usize::MAX) {
        *rest = total.checked_div(known).unwrap_or(0);
    }
    if out.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(total) {
        return Err(format!("{from:?} does not fill {dims:?}"));
    }
    Ok(out)
}

/// One axis of a Slice: the elements `start + i·step` for i in `0..count`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SliceRange {
    pub start: i64,
    pub step: i64,
    pub count: usize,
}

/// Resolves a Slice on an axis of `size`: negative bounds count from the end, then all are clamped.
pub(crate) fn slice_range(size: usize, start: i64, end: i64, step: i64) -> Option<SliceRange> {
    let n = size as i64;
    let wrap = |v: i64| if v < 0 { v.saturating_add(n) } else { v };
    let (start, end) = match step {
        0 => return None,
        1.. => (wrap(start).clamp(0, n), wrap(end).clamp(0, n)),
        _ if n == 0 => (0, 0),
        _ => (wrap(start).clamp(0, n - 1), wrap(end).clamp(-1, n - 1)),
    };
    let span = if step > 0 { end - start } else { start - end };
    let count = (span.max(0) as u64).div_ceil(step.unsigned_abs());
    Some(SliceRange { start, step, count: count as usize })
}

/// The sliced axes of a Slice node, with their ranges.
pub(crate) fn slice_ranges(args: &Args<'_>) -> Result<Vec<(usize, SliceRange)>, String> {
    let shape = args.need(0)?.shape;
    let starts = args.ints(1)?.ok_or("the starts are missing")?;
    let ends = args.ints(2)?.ok_or("the ends are missing")?;
    let along = match args.ints(3)? {
        Some(a) => axes(Some(a), shape.len())?,
        None => (0..starts.len()).collect(),
    };
    let steps = args.ints(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), along.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return Err("starts, ends, axes and steps differ in length".into());
    }
    let of = |i: usize| {
        let size = *shape.get(along[i]).ok_or("more slices than axes")?;
        let range = slice_range(size, starts[i], ends[i], steps[i]).ok_or("a step of 0")?;
        Ok((along[i], range))
    };
    (0..starts.len()).map(of).collect()
}

fn dims(values: &[i64]) -> Result<Vec<usize>, String> {
    values.iter().map(|&v| usize::try_from(v).map_err(|_| format!("size {v} is negative"))).collect()
}
