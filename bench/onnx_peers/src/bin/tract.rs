//! tract: runs the network. It has no function for gradients.

use onnx_peers::{Array, Job, Output, serve};
use tract_onnx::prelude::*;

fn tensor(array: &Array) -> TractResult<Tensor> {
    let dtype = match array.dtype.as_str() {
        "float16" => DatumType::F16,
        "float32" => DatumType::F32,
        "float64" => DatumType::F64,
        "int64" => DatumType::I64,
        "int32" => DatumType::I32,
        "int16" => DatumType::I16,
        "int8" => DatumType::I8,
        "uint64" => DatumType::U64,
        "uint32" => DatumType::U32,
        "uint16" => DatumType::U16,
        "uint8" => DatumType::U8,
        "bool" => DatumType::Bool,
        other => bail!("element type {other}"),
    };
    // SAFETY: NumPy wrote as many values of this type as the shape has.
    unsafe { Tensor::from_raw_dt(dtype, &array.shape, &array.bytes) }
}

fn run(job: &Job) -> TractResult<Vec<Output>> {
    let mut model = tract_onnx::onnx().model_for_path(&job.model)?;
    let names: Vec<String> = model.input_outlets()?.iter().map(|o| model.node(o.node).name.clone()).collect();
    let mut feeds = tvec![];
    for (i, name) in names.iter().enumerate() {
        let array = job.arrays.iter().find(|a| a.name == *name && a.kind != "seed");
        let array = array.ok_or_else(|| format_err!("no value for the input {name}"))?;
        let value = tensor(array)?;
        model.set_input_fact(i, InferenceFact::dt_shape(value.datum_type(), value.shape()))?;
        feeds.push(value.into_tvalue());
    }
    let outlets = model.output_outlets()?.to_vec();
    let labels: Vec<String> = outlets
        .iter()
        .map(|&o| model.outlet_label(o).map_or_else(|| model.node(o.node).name.clone(), str::to_string))
        .collect();
    let results = model.into_optimized()?.into_runnable()?.run(feeds)?;
    let output = |(name, value): (String, TValue)| -> TractResult<Output> {
        let wide = value.cast_to_dt(DatumType::F64)?;
        let values = wide.as_bytes().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect();
        Ok((name, value.shape().to_vec(), values))
    };
    labels.into_iter().zip(results).map(output).collect()
}

fn main() {
    serve(|job| run(job).map_err(|e| format!("{e:?}")));
}
