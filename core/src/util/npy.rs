//! Reads NumPy's `.npy` and `.npz` files. All arrays that gani reads pass through here.
//!
//! Files are untrusted. The header is not evaluated as Python; the size of an array is compared with the number of bytes in the file
//! before memory is allocated. Pickled objects (`dtype=object`) are refused.

mod header;
mod npz;

pub use npz::Npz;

use crate::{Error, Result};
use gani_onnx::file::{read_regular, reserved};
use half::f16;
use header::{Element, Header};
use ndarray::{Array1, Array2, ArrayD, IxDyn, ShapeBuilder};
use std::path::Path;

/// Maximum size of a file in bytes: a million samples of w take half of it.
pub const MAX_BYTES: u64 = 4 << 30;

/// An array of numbers. Each element type is converted to f32.
#[derive(Clone, Debug, PartialEq)]
pub struct NpyArray {
    /// The numbers.
    pub values: ArrayD<f32>,
    /// The element type in the file, such as `f8` or `u1`.
    pub element: String,
}

impl NpyArray {
    /// Reads an `.npy` file of numbers: f16, f32, f64, signed or unsigned integers, or bool.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is not an array of numbers, or is damaged; [`Error::Limits`] above [`MAX_BYTES`];
    /// [`Error::Io`].
    pub fn read(path: &Path) -> Result<NpyArray> {
        let bytes = read_regular(path, MAX_BYTES)?;
        NpyArray::parse(&path.display().to_string(), &bytes)
    }

    /// Reads the bytes of an `.npy` file. `name` appears in messages.
    ///
    /// # Errors
    /// As [`NpyArray::read`].
    pub fn parse(name: &str, bytes: &[u8]) -> Result<NpyArray> {
        let (values, element) = parse(name, bytes, |value| value as f32)?;
        Ok(NpyArray { values, element: element.name() })
    }

    /// Reads an `.npy` file of at most `limit` bytes with the precision of f64.
    ///
    /// # Errors
    /// As [`NpyArray::read`].
    pub fn read_f64(path: &Path, limit: u64) -> Result<ArrayD<f64>> {
        let bytes = read_regular(path, limit)?;
        Ok(parse(&path.display().to_string(), &bytes, |value| value)?.0)
    }

    /// A vector.
    ///
    /// # Errors
    /// [`Error::Input`] for another number of axes.
    pub fn vector(self, name: &str) -> Result<Array1<f32>> {
        let shape = self.values.shape().to_vec();
        self.values
            .into_dimensionality()
            .map_err(|_| Error::Input(format!("{name}: the shape {shape:?} is not that of a vector")))
    }

    /// All axes but the last in one: `[n, …, k]` becomes `[n·…, k]`, a vector one row.
    ///
    /// # Errors
    /// [`Error::Input`] for a single number.
    pub fn rows(self, name: &str) -> Result<Array2<f32>> {
        let shape = self.values.shape().to_vec();
        let bad = || Error::Input(format!("{name}: the shape {shape:?} has no rows"));
        let columns = *shape.last().ok_or_else(bad)?;
        let rows = self.values.len() / columns.max(1);
        let values = self.values.as_standard_layout().into_owned();
        values.into_shape_with_order((rows, columns)).map_err(|_| bad())
    }

    /// Refuses NaN and infinity.
    ///
    /// # Errors
    /// [`Error::Input`] with the first such element.
    pub fn finite(self, name: &str) -> Result<NpyArray> {
        match self.values.iter().position(|v| !v.is_finite()) {
            Some(index) => Err(Error::Input(format!(
                "{name}: element {index} is not a finite number; save the array again without NaN and infinity"
            ))),
            None => Ok(self),
        }
    }
}

/// The array, each number converted by `convert`, and the element type in the file.
fn parse<T>(name: &str, bytes: &[u8], convert: impl Fn(f64) -> T) -> Result<(ArrayD<T>, Element)> {
    let bad = |why: String| Error::Input(format!("{name}: not an .npy file of numbers, or damaged: {why}"));
    let (header, data) = Header::parse(bytes).map_err(bad)?;
    let Header { element, big_endian, fortran_order, shape } = header;
    let count = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    let size = count.and_then(|count| count.checked_mul(element.size()));
    if size != Some(data.len()) {
        let (file, size) = (data.len(), element.size());
        return Err(bad(format!(
            "the shape {shape:?} of elements of {size} bytes does not match its {file} bytes of data"
        )));
    }
    let mut values = reserved(count.unwrap_or(0) as u64, name)?;
    values.extend(data.chunks_exact(element.size()).map(|raw| convert(element.to_f64(raw, big_endian))));
    let shape = IxDyn(&shape).set_f(fortran_order);
    let values = ArrayD::from_shape_vec(shape, values).map_err(|e| bad(e.to_string()))?;
    Ok((values, element))
}

impl Element {
    fn to_f64(self, raw: &[u8], big_endian: bool) -> f64 {
        // Little-endian bytes of up to 8, the rest zero.
        let mut b = [0; 8];
        for (i, &byte) in raw.iter().enumerate() {
            b[if big_endian { raw.len() - 1 - i } else { i }] = byte;
        }
        let bits = u64::from_le_bytes(b);
        let unused = 64 - 8 * raw.len() as u32;
        match self {
            Element::Float(2) => f16::from_bits(bits as u16).to_f64(),
            Element::Float(4) => f32::from_bits(bits as u32).into(),
            Element::Float(_) => f64::from_bits(bits),
            Element::Int(_) => ((bits << unused) as i64 >> unused) as f64,
            Element::Unsigned(_) => bits as f64,
            Element::Bool => f64::from(u8::from(bits != 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn header(descr: &str, fortran: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
    }

    #[test]
    fn every_element_type_and_order_is_read() {
        for (descr, data, expected) in [
            ("<f2", vec![0x00, 0x3e], 1.5),
            ("<f4", 1.5f32.to_le_bytes().to_vec(), 1.5),
            (">f4", 1.5f32.to_be_bytes().to_vec(), 1.5),
            ("<f8", 1.5f64.to_le_bytes().to_vec(), 1.5),
            ("|i1", vec![0xfe], -2.0),
            ("<i8", (-2i64).to_le_bytes().to_vec(), -2.0),
            ("|u1", vec![254], 254.0),
            ("|b1", vec![1], 1.0),
        ] {
            let array = NpyArray::parse("a", &npy(&header(descr, "False", "(1,)"), &data)).unwrap();
            assert_eq!(array.values.as_slice(), Some(&[expected][..]), "{descr}");
        }
        let data: Vec<u8> = (0..6).collect();
        let rows = |fortran| {
            let array = NpyArray::parse("a", &npy(&header("|u1", fortran, "(2, 3)"), &data)).unwrap();
            array.rows("a").unwrap().into_iter().collect::<Vec<f32>>()
        };
        assert_eq!(rows("False"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(rows("True"), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        let scalar = NpyArray::parse("a", &npy(&header("|u1", "False", "()"), &[7])).unwrap();
        assert_eq!(scalar.values.shape(), [0usize; 0]);
        assert_eq!(scalar.values.first(), Some(&7.0));
    }

    #[test]
    fn damaged_and_hostile_files_are_refused() {
        let nested = format!("{{'descr': {}'<f4'", "[".repeat(2000));
        let huge = header("<f4", "False", "(1099511627776, 512)");
        let overflow = header("<f4", "False", "(18446744073709551615, 18446744073709551615)");
        for (text, data) in [
            (&*nested, &[][..]),
            (&huge, &[0; 8]),
            (&overflow, &[0; 8]),
            (&header("<f4", "False", "(3,)"), &[0; 8]),
            (&header("|O", "False", "()"), b"\x80\x04N."),
            (&header("<c8", "False", "(1,)"), &[0; 8]),
            (&header("<f4", "False", "(-1,)"), &[0; 8]),
            ("{}", &[]),
            ("", &[]),
        ] {
            let text = NpyArray::parse("a.npy", &npy(text, data)).unwrap_err().to_string();
            assert!(text.starts_with("a.npy: "), "{text}");
        }
        for bytes in [&b""[..], b"\x93NUMPY", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", b"PK\x03\x04"] {
            assert!(NpyArray::parse("a.npy", bytes).is_err());
        }
        let nan = npy(&header("<f4", "False", "(1,)"), &f32::NAN.to_le_bytes());
        assert!(NpyArray::parse("a", &nan).unwrap().finite("a").is_err());
    }
}
