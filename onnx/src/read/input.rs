//! Shape and element type of a file's inputs.

use super::Reader;
use crate::{DType, Error, Result, proto};

impl Reader<'_> {
    /// Checks that each given shape names an input.
    pub(super) fn check_names(&self, inputs: &[String]) -> Result<()> {
        match self.options.shapes.keys().find(|name| !inputs.contains(name)) {
            Some(name) => Err(Error::Input(format!(
                "{}: a shape was given for `{name}`, but the file has no such input; it has {}",
                self.name,
                inputs.join(", ")
            ))),
            None => Ok(()),
        }
    }

    pub(super) fn input_type(&self, name: &str, info: &proto::ValueInfo) -> Result<(Vec<usize>, DType)> {
        let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let tensor = tensor.ok_or_else(|| self.bad(format!("the input `{name}` is not a tensor")))?;
        let code = tensor.elem_type.unwrap_or(0);
        let dtype = DType::from_onnx_code(code.into());
        let dtype = dtype.ok_or_else(|| {
            self.bad(format!("the input `{name}` has the element type {code}, which is not supported"))
        })?;
        if let Some(shape) = self.options.shapes.get(name) {
            return Ok((shape.clone(), dtype));
        }
        let open = |what: String, example: String| {
            Error::Input(format!(
                "{}: the input `{name}` {what}; give its shape by name, such as {name}={example}, or export the network with \
                 fixed sizes",
                self.name
            ))
        };
        let dims = tensor.shape.as_ref().ok_or_else(|| {
            open("has no shape in the file".into(), "1x3x224x224, with the sizes that you use".into())
        })?;
        let size = |d: &proto::Dimension| {
            let known = d.dim_value.and_then(|v| usize::try_from(v).ok());
            known.or_else(|| self.options.sizes.get(d.dim_param.as_ref()?).copied())
        };
        let mut sizes: Vec<_> = dims.dim.iter().map(size).collect();
        if let Some(batch @ None) = sizes.first_mut() {
            *batch = self.options.batch;
        }
        if sizes.contains(&None) && !self.options.open_as_one {
            let text = |(d, size): (&proto::Dimension, &Option<usize>)| match (size, &d.dim_param) {
                (Some(size), _) => size.to_string(),
                (None, Some(name)) if !name.is_empty() => name.clone(),
                _ => "?".into(),
            };
            let shape: Vec<_> = dims.dim.iter().zip(&sizes).map(text).collect();
            let example: Vec<_> = sizes.iter().map(|s| s.unwrap_or(1).to_string()).collect();
            return Err(open(format!("has open sizes, [{}]", shape.join(", ")), example.join("x")));
        }
        Ok((sizes.iter().map(|s| s.unwrap_or(1)).collect(), dtype))
    }
}
