//! Arguments of calls: handles, strings, structs, and the files that paths name.

use gani_fuzz::write_bundle;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use std::ffi::{CString, c_char};
use std::path::PathBuf;
use std::ptr;
use std::sync::OnceLock;

/// A folder with a bundle, a photo, an inversion's place, and files that are damaged.
pub fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("gani-fuzz-{}", std::process::id()));
        write_bundle(&folder.join("tiny"));
        image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8 * 8, 90]))
            .save(folder.join("a.png"))
            .expect("a picture can be written");
        std::fs::write(folder.join("damaged.png"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").expect("it can be written");
        folder
    })
}

/// Names in [`folder`], without those that must not be replaced.
const WRITTEN: [&str; 5] = ["out.png", "out.jpg", "out.tif", "face.safetensors", "missing/out.png"];

pub fn path(u: &mut Unstructured<'_>) -> Result<CString> {
    let name = match u.int_in_range(0..=7)? {
        0 => "a.png",
        1 => "tiny",
        2 => "damaged.png",
        3 => "tiny/generator.onnx",
        _ => *u.choose(&WRITTEN)?,
    };
    Ok(to_c(&folder().join(name)))
}

pub fn written_path(u: &mut Unstructured<'_>) -> Result<CString> {
    Ok(to_c(&folder().join(u.choose(&WRITTEN)?)))
}

fn to_c(path: &std::path::Path) -> CString {
    CString::new(path.to_string_lossy().as_bytes()).expect("no NUL in a path")
}

/// Any bytes as a string, valid UTF-8 or not.
pub fn text(u: &mut Unstructured<'_>) -> Result<CString> {
    let length = u.int_in_range(0..=12)?;
    let bytes: Vec<u8> = u.bytes(length)?.iter().copied().filter(|&b| b != 0).collect();
    Ok(CString::new(bytes).expect("NUL was removed"))
}

/// NULL in one of eight calls.
pub fn or_null(text: &CString, u: &mut Unstructured<'_>) -> Result<*const c_char> {
    Ok(if u.ratio(1, 8)? { ptr::null() } else { text.as_ptr() })
}

/// All handles of a program, freed ones too.
#[derive(Default)]
pub struct Handles(Vec<usize>);

impl Handles {
    pub fn add<T>(&mut self, handle: *mut T) {
        if !handle.is_null() {
            self.0.push(handle.addr());
        }
    }

    /// A handle of this list, mostly; or one of another list, NULL, or a made-up number.
    pub fn pick<T>(&self, u: &mut Unstructured<'_>, others: &Handles) -> Result<*mut T> {
        let handle = match u.int_in_range(0..=15)? {
            0 => 0,
            1 => u.arbitrary::<u16>()?.into(),
            2 if !others.0.is_empty() => *u.choose(&others.0)?,
            // The last one is the most likely to live.
            3..=11 if !self.0.is_empty() => self.0[self.0.len() - 1],
            _ if self.0.is_empty() => 0,
            _ => *u.choose(&self.0)?,
        };
        Ok(ptr::without_provenance_mut(handle))
    }

    pub fn all<T>(&self) -> impl Iterator<Item = *mut T> {
        self.0.iter().map(|&handle| ptr::without_provenance_mut(handle))
    }
}

/// A struct of the ABI with room behind it, for a `struct_size` of a newer program.
#[repr(C)]
pub struct Padded<T> {
    pub value: T,
    pub newer: [u8; 64],
}

impl<T> Padded<T> {
    pub fn new(value: T) -> Padded<T> {
        Padded { value, newer: [0; 64] }
    }

    /// Mostly the struct's own size; otherwise up to the end of the room, or beyond every limit.
    pub fn struct_size(u: &mut Unstructured<'_>) -> Result<usize> {
        Ok(match u.int_in_range(0..=9)? {
            0 => u.int_in_range(0..=size_of::<Padded<T>>())?,
            1 => u.arbitrary::<usize>()?.max(4097),
            _ => size_of::<T>(),
        })
    }
}
