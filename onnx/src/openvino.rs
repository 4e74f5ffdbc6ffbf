//! Reads networks in OpenVINO's format (IR version 10: `.xml` and `.bin`) into a [`Graph`].
//!
//! Supports the ops that published face generators use and refuses others by name. Files are untrusted: every
//! size and offset is checked against the `.bin`. Shapes are inferred, and chains of shape arithmetic are
//! folded.

mod layer;
mod ops;

use crate::file::read_regular;
use crate::{Builder, DType, Data, Error, Expr, Graph, Result, Tensor};
use half::f16;
use layer::{Layer, layers, order};
use std::collections::HashMap;
use std::path::Path;

/// Size limits of the `.xml` and the `.bin`, in bytes.
const MAX_XML: u64 = 64 << 20;
const MAX_BIN: u64 = 2 << 30;

/// Reads `xml`, and the `.bin` of the same name beside it.
///
/// The input keeps its name. An output is named after the layer that computes it. Constants keep their names.
///
/// # Errors
/// [`Error::Model`] if the files are inconsistent or truncated; [`Error::Unsupported`] for another format
/// version or an unknown op; [`Error::Limits`] if a file is too large; [`Error::Io`] if one cannot be read.
pub fn read(xml: &Path) -> Result<Graph> {
    let text = String::from_utf8(read_regular(xml, MAX_XML)?)
        .map_err(|_| Error::Model(format!("{}: not an XML file", xml.display())))?;
    let weights = read_regular(&xml.with_extension("bin"), MAX_BIN)?;
    from_parts(&xml.display().to_string(), &text, &weights)
}

/// Reads a network from the text of its `.xml` and the bytes of its `.bin`. `name` is for messages.
///
/// # Errors
/// As [`read`].
pub fn from_parts(name: &str, xml: &str, weights: &[u8]) -> Result<Graph> {
    let bad = |reason: String| Error::Model(format!("{name}: {reason}"));
    let document =
        roxmltree::Document::parse(xml).map_err(|e| bad(format!("not an XML file, or truncated ({e})")))?;
    let net = document.root_element();
    let version = net.attribute("version").unwrap_or("none");
    if version != "10" {
        return Err(Error::Unsupported(format!(
            "{name}: version {version} of OpenVINO's format; only version 10 is supported: convert with mo of 2021"
        )));
    }
    let layers = layers(net).map_err(bad)?;
    let builder = Builder::new();
    build(&builder, &layers, weights).map_err(|e| match e {
        Error::Model(t) => Error::Model(format!("{name}: {t}")),
        Error::Unsupported(t) => Error::Unsupported(format!("{name}: {t}")),
        other => other,
    })?;
    builder.finish()
}

fn build<'g>(b: &'g Builder, layers: &HashMap<u32, Layer<'_>>, weights: &[u8]) -> Result<()> {
    let mut values: HashMap<(u32, u32), Expr<'g>> = HashMap::new();
    let mut makers: HashMap<(u32, u32), &str> = HashMap::new();
    for id in order(layers)? {
        let layer = &layers[&id];
        let find = |at: &(u32, u32)| {
            values
                .get(at)
                .copied()
                .ok_or_else(|| layer.bad(&format!("output {} of layer {} does not exist", at.1, at.0)))
        };
        let inputs: Vec<Expr<'g>> = layer.inputs.iter().map(find).collect::<Result<_>>()?;
        let results = match layer.op {
            "Parameter" => {
                if layer.attribute("element_type")? != "f32" {
                    return Err(layer.bad("an input must be f32"));
                }
                vec![b.input(layer.name, &sizes(layer, "shape")?)]
            }
            "Const" => {
                let tensor = constant(layer, weights)?;
                // A weight keeps its name. Scalars and shapes are unnamed, so that they can be folded.
                let is_weight = tensor.dtype() == DType::F32 && tensor.len() > 1;
                vec![b.weight(if is_weight { layer.name } else { "" }, tensor)]
            }
            "Result" => {
                let (from, input) =
                    layer.inputs.first().zip(inputs.first()).ok_or_else(|| layer.bad("no input"))?;
                b.output(makers.get(from).copied().unwrap_or(layer.name), *input);
                vec![]
            }
            _ => ops::convert(b, layer, &inputs)?,
        };
        b.check()?;
        for (port, value) in layer.outputs.iter().zip(results) {
            values.insert((id, *port), value);
            makers.insert((id, *port), layer.name);
        }
    }
    Ok(())
}

fn sizes(layer: &Layer<'_>, key: &str) -> Result<Vec<usize>> {
    let numbers = layer.numbers(key)?;
    let sizes: std::result::Result<_, _> = numbers.iter().map(|&n| usize::try_from(n)).collect();
    sizes.map_err(|_| layer.bad(&format!("the shape {numbers:?} has a negative size")))
}

fn constant(layer: &Layer<'_>, weights: &[u8]) -> Result<Tensor> {
    let shape = sizes(layer, "shape")?;
    let number = |key: &str| {
        let text = layer.attribute(key)?;
        text.parse::<usize>().map_err(|_| layer.bad(&format!("`{key}` is `{text}`, not a number")))
    };
    let (offset, size) = (number("offset")?, number("size")?);
    let bytes = offset.checked_add(size).and_then(|end| weights.get(offset..end)).ok_or_else(|| {
        layer.bad(&format!(
            "it reads bytes {offset}+{size} of the .bin, which has {}: truncated",
            weights.len()
        ))
    })?;
    let dtype = match layer.attribute("element_type")? {
        "f32" => DType::F32,
        "f16" => DType::F16,
        "i64" => DType::I64,
        "i32" => DType::I32,
        other => {
            return Err(Error::Unsupported(format!(
                "Const `{}`: elements of type {other} are not supported",
                layer.name
            )));
        }
    };
    let data = match dtype {
        DType::F32 => Data::F32(elements(bytes, f32::from_le_bytes)),
        DType::F16 => Data::F32(elements(bytes, |v| f16::from_le_bytes(v).to_f32())),
        DType::I64 => Data::I64(elements(bytes, i64::from_le_bytes)),
        _ => Data::I64(elements(bytes, |v| i32::from_le_bytes(v).into())),
    };
    let count = data.len();
    Tensor::new(&shape, data)
        .ok_or_else(|| layer.bad(&format!("{size} bytes are {count} elements, but the shape is {shape:?}")))
}

fn elements<const N: usize, T>(bytes: &[u8], f: fn([u8; N]) -> T) -> std::sync::Arc<[T]> {
    bytes.as_chunks::<N>().0.iter().map(|&c| f(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y = PReLU(x · w + b): x `[1, 2]`, w `[2, 2]` at byte 0, b `[2]` at byte 16, the slope at byte 24.
    fn network(change: impl Fn(String) -> String) -> Result<Graph> {
        let constant = |id: u32, shape: &str, offset: usize, size: usize| {
            format!(
                r#"<layer id="{id}" name="c{id}" type="Const"><data element_type="f32" shape="{shape}" offset="{offset}"
                size="{size}"/><output><port id="0"/></output></layer>"#
            )
        };
        let op = |id: u32, kind: &str| {
            format!(
                r#"<layer id="{id}" name="n{id}" type="{kind}"><data transpose_b="true"/>
                <output><port id="2"/></output></layer>"#
            )
        };
        let edge = |from: u32, port: u32, to: u32, at: u32| {
            format!(r#"<edge from-layer="{from}" from-port="{port}" to-layer="{to}" to-port="{at}"/>"#)
        };
        let layers = [
            r#"<layer id="0" name="x" type="Parameter"><data shape="1, 2" element_type="f32"/>
            <output><port id="0"/></output></layer>"#
                .to_string(),
            constant(1, "2, 2", 0, 16),
            op(2, "MatMul"),
            constant(3, "1, 2", 16, 8),
            op(4, "Add"),
            constant(5, "1", 24, 4),
            op(6, "PReLU"),
            r#"<layer id="7" name="out" type="Result"/>"#.to_string(),
        ];
        let edges = [
            edge(0, 0, 2, 0),
            edge(1, 0, 2, 1),
            edge(2, 2, 4, 0),
            edge(3, 0, 4, 1),
            edge(4, 2, 6, 0),
            edge(5, 0, 6, 1),
            edge(6, 2, 7, 0),
        ];
        let xml = format!(
            r#"<net name="t" version="10"><layers>{}</layers><edges>{}</edges></net>"#,
            layers.concat(),
            edges.concat()
        );
        let weights: Vec<u8> =
            [1.0f32, 2.0, 3.0, 4.0, 0.5, -0.5, 0.25].iter().flat_map(|v| v.to_le_bytes()).collect();
        from_parts("t.xml", &change(xml), &weights)
    }

    #[test]
    fn a_small_network_is_read() {
        let graph = network(|xml| xml).unwrap();
        let expected = "input x[1, 2]\n\
            Gemm(x[1, 2], c1[2, 2]) -> %1[1, 2] transA=Int(0) transB=Int(1)\n\
            Add(%1[1, 2], c3[1, 2]) -> %2[1, 2]\n\
            LeakyRelu(%2[1, 2]) -> %3[1, 2] alpha=Float(0.25)\n\
            output n6 = %3[1, 2]\n";
        assert_eq!(graph.to_string(), expected);
    }

    #[test]
    fn sizes_of_a_split_that_overflow_are_refused() {
        // DetectedNetwork by fuzzing: two sizes whose sum overflows i64.
        let split = |sizes: [i64; 2]| {
            let constant = |id: u32, shape: &str, offset: usize, size: usize| {
                format!(
                    r#"<layer id="{id}" name="c{id}" type="Const"><data element_type="i64" shape="{shape}"
                    offset="{offset}" size="{size}"/><output><port id="0"/></output></layer>"#
                )
            };
            let xml = format!(
                r#"<net name="t" version="10"><layers><layer id="0" name="x" type="Parameter">
                <data shape="1, 4" element_type="f32"/><output><port id="0"/></output></layer>{}{}
                <layer id="3" name="cut" type="VariadicSplit"><output><port id="3"/><port id="4"/></output></layer>
                <layer id="4" name="y" type="Result"/></layers><edges>
                <edge from-layer="0" from-port="0" to-layer="3" to-port="0"/>
                <edge from-layer="1" from-port="0" to-layer="3" to-port="1"/>
                <edge from-layer="2" from-port="0" to-layer="3" to-port="2"/>
                <edge from-layer="3" from-port="4" to-layer="4" to-port="0"/></edges></net>"#,
                constant(1, "", 0, 8),
                constant(2, "2", 8, 16)
            );
            let bytes: Vec<u8> = [1, sizes[0], sizes[1]].iter().flat_map(|v| v.to_le_bytes()).collect();
            from_parts("t.xml", &xml, &bytes)
        };
        assert_eq!(split([1, -1]).unwrap().output_shape("cut").unwrap(), [1, 3]);
        for sizes in [[i64::MAX, i64::MAX], [i64::MAX, -1], [1, 2]] {
            let error = split(sizes).unwrap_err().to_string();
            assert!(error.contains("do not split") && error.contains("t.xml"), "{error}");
        }
    }

    #[test]
    fn broken_files_are_refused_by_name() {
        let table: [(&str, &str, &str); 9] = [
            ("version=\"10\"", "version=\"11\"", "version 11"),
            ("<net", "<net <", "not an XML file"),
            ("<edges>", "<edgy>", "not an XML file"),
            ("type=\"Add\"", "type=\"Loop\"", "Loop `n4`"),
            ("offset=\"24\"", "offset=\"26\"", "truncated"),
            ("offset=\"24\"", "offset=\"18446744073709551615\"", "truncated"),
            ("shape=\"2, 2\"", "shape=\"2, 3\"", "4 elements"),
            ("from-layer=\"3\"", "from-layer=\"33\"", "circle"),
            ("from-layer=\"0\"", "from-layer=\"4\"", "circle"),
        ];
        for (from, to, expected) in table {
            let error = network(|xml| xml.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("t.xml"), "{to}: {error}");
        }
    }
}
