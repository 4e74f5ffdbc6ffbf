//! candle: evaluates the network on its tensors, and differentiates Σ y·v with their `backward`.

use candle_core::{DType, Device, Result, Tensor, Var};
use onnx_peers::{Array, Job, Output, serve};
use std::collections::HashMap;

fn tensor(array: &Array) -> Result<Tensor> {
    let dtype = match array.dtype.as_str() {
        "float16" => DType::F16,
        "float32" => DType::F32,
        "float64" => DType::F64,
        "int64" => DType::I64,
        "int32" => DType::I32,
        "uint32" => DType::U32,
        "uint8" | "bool" => DType::U8,
        other => candle_core::bail!("element type {other}"),
    };
    Tensor::from_raw_buffer(&array.bytes, dtype, &array.shape, &Device::Cpu)
}

fn output(name: String, t: &Tensor) -> Result<Output> {
    Ok((name, t.dims().to_vec(), t.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?))
}

fn run(job: &Job) -> Result<Vec<Output>> {
    let model = candle_onnx::read_file(&job.model)?;
    let (mut inputs, mut variables, mut seeds) = (HashMap::new(), vec![], HashMap::new());
    for array in &job.arrays {
        let value = tensor(array)?;
        match array.kind.as_str() {
            "seed" => _ = seeds.insert(&array.name, value),
            "wrt" => {
                let variable = Var::from_tensor(&value)?;
                inputs.insert(array.name.clone(), variable.as_tensor().clone());
                variables.push((&array.name, variable));
            }
            _ => _ = inputs.insert(array.name.clone(), value),
        }
    }
    let values = candle_onnx::simple_eval(&model, inputs)?;
    let mut outputs = vec![];
    let mut loss: Option<Tensor> = None;
    for (name, y) in values {
        if let Some(v) = seeds.get(&name) {
            let term = (&y * v)?.sum_all()?;
            loss = Some(match loss {
                Some(loss) => (loss + term)?,
                None => term,
            });
        }
        outputs.push(output(name, &y)?);
    }
    if let Some(loss) = loss {
        let gradients = loss.backward()?;
        // No entry: candle takes the loss as independent of the variable.
        for (name, variable) in variables {
            if let Some(g) = gradients.get(&variable) {
                outputs.push(output(format!("grad_{name}"), g)?);
            }
        }
    }
    Ok(outputs)
}

fn main() {
    serve(|job| run(job).map_err(|e| e.to_string()));
}
