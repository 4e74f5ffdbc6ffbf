//! The calls of a program, and what must hold after each.

use super::arguments::{Handles, Padded, folder, or_null, path, text, written_path};
use gani::*;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::zeroed;
use std::ptr::{null, null_mut};

/// A program: the handles that it has got, and the pixels that its images use.
pub struct Program {
    models: Handles,
    images: Handles,
    faces: Handles,
    buffers: Vec<Box<[u8]>>,
}

/// After a call: no panic, and a message if it failed.
fn check(status: gani_status) -> bool {
    assert_ne!(status, gani_status::GANI_ERROR_INTERNAL);
    // SAFETY: the string is valid until the next failure.
    let message = unsafe { CStr::from_ptr(gani_last_error()) };
    assert!(status == gani_status::GANI_OK || !message.is_empty());
    assert!(message.to_str().is_ok());
    status == gani_status::GANI_OK
}

/// Reads a string that gani gave to the program.
///
/// # Safety
/// `text` is NULL or a valid string.
unsafe fn read(text: *const c_char) {
    if !text.is_null() {
        assert!(unsafe { CStr::from_ptr(text) }.to_str().is_ok());
    }
}

unsafe extern "C" fn on_direction(direction: *const gani_direction, user_data: *mut c_void) -> c_int {
    let direction = unsafe { &*direction };
    [direction.name, direction.label, direction.help, direction.unit].map(|text| unsafe { read(text) });
    c_int::from(user_data.is_null())
}

unsafe extern "C" fn on_bundle(bundle: *const gani_bundle_info, user_data: *mut c_void) -> c_int {
    let bundle = unsafe { &*bundle };
    [bundle.name, bundle.title, bundle.license, bundle.problem].map(|text| unsafe { read(text) });
    c_int::from(user_data.is_null())
}

unsafe extern "C" fn on_message(_: u32, message: *const c_char, _: *mut c_void) {
    unsafe { read(message) };
    // A log function may call gani.
    let _ = unsafe { gani_model_free(null_mut()) };
}

/// What the progress function of an inversion does.
struct Watcher {
    /// Cancels after so many events.
    events: u8,
    /// Frees this model meanwhile.
    frees: *mut gani_model,
}

unsafe extern "C" fn on_progress(progress: *const gani_progress, user_data: *mut c_void) -> c_int {
    let (progress, watcher) = unsafe { (&*progress, &mut *user_data.cast::<Watcher>()) };
    if !progress.preview.is_null() {
        let size = 3 * progress.preview_width as usize * progress.preview_height as usize;
        let pixels = unsafe { std::slice::from_raw_parts(progress.preview, size) };
        std::hint::black_box(pixels.iter().fold(0u8, |sum, &v| sum.wrapping_add(v)));
    }
    if !watcher.frees.is_null() {
        check(unsafe { gani_model_free(watcher.frees) });
        watcher.frees = null_mut();
    }
    watcher.events = watcher.events.saturating_sub(1);
    c_int::from(watcher.events > 0)
}

impl Program {
    pub fn new() -> Program {
        folder();
        let empty = Handles::default;
        let mut program = Program { models: empty(), images: empty(), faces: empty(), buffers: Vec::new() };
        // Most programs have a model and an image.
        let tiny = CString::new(folder().join("tiny").to_string_lossy().as_bytes()).expect("no NUL");
        let photo = CString::new(folder().join("a.png").to_string_lossy().as_bytes()).expect("no NUL");
        unsafe {
            let mut options: gani_model_options = zeroed();
            options.struct_size = size_of::<gani_model_options>();
            (options.model, options.device, options.threads) = (tiny.as_ptr(), c"cpu".as_ptr(), 1);
            let (mut model, mut image) = (null_mut(), null_mut());
            assert!(check(gani_model_open(&options, &mut model)) && check(gani_image_load(photo.as_ptr(), &mut image)));
            program.models.add(model);
            program.images.add(image);
        }
        program
    }

    /// Makes the next call.
    pub fn call(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=13)? {
            0 | 1 => self.model(u),
            2..=5 => self.image(u),
            6 | 7 => self.invert(u),
            8..=11 => self.face(u),
            _ => self.library(u),
        }
    }

    fn model(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let model = self.models.pick::<gani_model>(u, &self.images)?;
        match u.int_in_range(0..=4)? {
            0 => {
                let names = [path(u)?, text(u)?, c"tiny".into(), c"../tiny".into()];
                let devices: [CString; 3] = [c"cpu".into(), c"toaster".into(), text(u)?];
                let mut options = Padded::new(gani_model_options {
                    struct_size: Padded::<gani_model_options>::struct_size(u)?,
                    model: or_null(u.choose(&names)?, u)?,
                    device: u.choose(&devices)?.as_ptr(),
                    onnx_runtime: if u.ratio(1, 8)? { names[0].as_ptr() } else { null() },
                    threads: 1,
                });
                options.newer[0] = u8::from(u.ratio(1, 8)?);
                let mut opened = null_mut();
                if check(unsafe { gani_model_open(&options.value, &mut opened) }) {
                    self.models.add(opened);
                } else {
                    assert!(opened.is_null());
                }
            }
            1 => {
                check(unsafe { gani_model_free(model) });
            }
            2 => {
                let mut info = Padded::<gani_model_info>::new(unsafe { zeroed() });
                info.value.struct_size = Padded::<gani_model_info>::struct_size(u)?;
                if check(unsafe { gani_model_describe(model, &mut info.value) }) {
                    let info = &info.value;
                    [info.name, info.title, info.license, info.device].map(|text| unsafe { read(text) });
                }
            }
            3 => {
                let stop = if u.arbitrary()? { model.cast() } else { null_mut() };
                check(unsafe { gani_model_list_directions(model, Some(on_direction), stop) });
            }
            _ => {
                let image = self.images.pick(u, &self.models)?;
                check(unsafe { gani_model_generate(model, u.arbitrary()?, u.arbitrary()?, image) });
            }
        }
        Ok(())
    }

    fn image(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let image = self.images.pick::<gani_image>(u, &self.faces)?;
        match u.int_in_range(0..=5)? {
            0 | 1 => self.wrap(u)?,
            2 => {
                let mut loaded = null_mut();
                let path = path(u)?;
                if check(unsafe { gani_image_load(or_null(&path, u)?, &mut loaded) }) {
                    self.images.add(loaded);
                }
            }
            3 => {
                check(unsafe { gani_image_save(image, or_null(&written_path(u)?, u)?) });
            }
            4 => {
                let mut desc = Padded::<gani_image_desc>::new(unsafe { zeroed() });
                let size = Padded::<gani_image_desc>::struct_size(u)?;
                desc.value.struct_size = size;
                if check(unsafe { gani_image_describe(image, &mut desc.value) }) && size >= size_of::<gani_image_desc>() {
                    let desc = &desc.value;
                    let last = desc.stride * (desc.height as usize - 1);
                    std::hint::black_box(unsafe { *desc.pixels.cast::<u8>().add(last) });
                }
            }
            _ => {
                check(unsafe { gani_image_free(image) });
            }
        }
        Ok(())
    }

    /// Pixels, mask and profile have exactly the bytes that the description states.
    fn wrap(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let (layout, sample): (u32, u32) = (u.int_in_range(0..=6)?, u.int_in_range(0..=4)?);
        let (width, height): (u32, u32) = (u.int_in_range(0..=70)?, u.int_in_range(0..=70)?);
        let channels = [1, 1, 2, 3, 4, 4, 1][layout as usize];
        let row = width as usize * channels * [1, 1, 2, 4, 1][sample as usize];
        let stride = if u.ratio(1, 4)? { u.int_in_range(0..=3000)? } else { row };
        let mask_stride = if u.ratio(1, 4)? { u.int_in_range(0..=90)? } else { 0 };
        let used_stride = if mask_stride == 0 { width as usize } else { mask_stride };
        let extent = |stride: usize, row: usize| stride * (height as usize).saturating_sub(1) + row;
        let pixels = self.buffer(extent(stride, row), u)?;
        let mask = self.buffer(extent(used_stride, width as usize), u)?;
        let icc = u.arbitrary::<&[u8]>()?;
        let icc = self.keep(icc.into());
        let (use_mask, use_icc) = (u.ratio(1, 3)?, u.ratio(1, 8)?);
        let mut desc = Padded::<gani_image_desc>::new(gani_image_desc {
            struct_size: Padded::<gani_image_desc>::struct_size(u)?,
            pixels: if u.ratio(1, 16)? { null_mut() } else { pixels.0.cast() },
            stride,
            mask: if use_mask { mask.0 } else { null() },
            mask_stride,
            width,
            height,
            layout,
            sample,
            icc_profile: if use_icc { icc.0.cast() } else { null() },
            icc_profile_size: if use_icc { icc.1 } else { 0 },
        });
        desc.newer[9] = u8::from(u.ratio(1, 16)?);
        let mut image = null_mut();
        if check(unsafe { gani_image_wrap(&desc.value, &mut image) }) {
            self.images.add(image);
        }
        Ok(())
    }

    /// A buffer that lives as long as the program, filled with a byte.
    fn buffer(&mut self, size: usize, u: &mut Unstructured<'_>) -> Result<(*mut u8, usize)> {
        Ok(self.keep(vec![u.arbitrary()?; size].into()))
    }

    fn keep(&mut self, bytes: Box<[u8]>) -> (*mut u8, usize) {
        self.buffers.push(bytes);
        let last = self.buffers.last_mut().expect("one was added");
        (last.as_mut_ptr(), last.len())
    }

    fn invert(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let model = self.models.pick::<gani_model>(u, &self.faces)?;
        let image = self.images.pick::<gani_image>(u, &self.models)?;
        let mut watcher = Watcher { events: u.arbitrary()?, frees: null_mut() };
        if u.ratio(1, 16)? {
            watcher.frees = model;
        }
        let cache = CString::new(folder().join("cache").to_string_lossy().as_bytes()).expect("no NUL");
        let mut options = Padded::new(gani_invert_options {
            struct_size: Padded::<gani_invert_options>::struct_size(u)?,
            preset: u.int_in_range(0..=4)?,
            aligned: *u.choose(&[1, 1, 1, 0, 2])?,
            face: u.int_in_range(0..=2)?,
            // Never the preset's number, which takes too long.
            iterations: *u.choose(&[1, 2, GANI_COUNT_ZERO])?,
            refine_steps: *u.choose(&[1, 2, GANI_COUNT_ZERO])?,
            cache: u.int_in_range(0..=2)?,
            cache_folder: cache.as_ptr(),
            cache_limit: u.arbitrary()?,
            seed: u.arbitrary()?,
            progress: if u.arbitrary()? { Some(on_progress) } else { None },
            user_data: (&raw mut watcher).cast(),
            preview_interval: u.int_in_range(0..=2)?,
        });
        // A size that cuts `iterations` or the cache's folder would select the preset's number, or the user's cache.
        if options.value.struct_size < size_of::<gani_invert_options>() {
            options.value.struct_size = 4;
        }
        options.newer[3] = u8::from(u.ratio(1, 16)?);
        let mut face = null_mut();
        if check(unsafe { gani_model_invert(model, image, &options.value, &mut face) }) {
            self.faces.add(face);
        } else {
            assert!(face.is_null());
        }
        Ok(())
    }

    fn face(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let face = self.faces.pick::<gani_face_session>(u, &self.images)?;
        let image = self.images.pick::<gani_image>(u, &self.faces)?;
        let texts = [c"smile".into(), c"pca.0".into(), c"sefa.3".into(), text(u)?];
        let mut edits = Vec::new();
        for _ in 0..u.int_in_range(0..=3)? {
            let direction = or_null(u.choose(&texts)?, u)?;
            edits.push(gani_edit { direction, strength: u.arbitrary()? });
        }
        let list = if u.ratio(1, 16)? { null() } else { edits.as_ptr() };
        let mut options = Padded::new(gani_paste_options {
            struct_size: Padded::<gani_paste_options>::struct_size(u)?,
            keep: u.int_in_range(0..=3)?,
            feather: u.arbitrary()?,
        });
        options.newer[0] = u8::from(u.ratio(1, 16)?);
        let options = if u.ratio(1, 4)? { null() } else { &raw const options.value };
        let mut changed: gani_rect = unsafe { zeroed() };
        let changed = if u.arbitrary()? { &raw mut changed } else { null_mut() };
        match u.int_in_range(0..=7)? {
            0 => {
                check(unsafe { gani_face_session_render(face, list, edits.len(), image) });
            }
            1 => {
                check(unsafe { gani_face_session_paste(face, list, edits.len(), image, changed) });
            }
            2 => {
                let count = edits.len();
                check(unsafe { gani_face_session_paste_with(face, list, count, options, image, changed) });
            }
            3 => {
                let out = self.images.pick(u, &self.models)?;
                check(unsafe { gani_face_session_preview(face, list, edits.len(), options, image, out) });
            }
            4 => {
                let model = self.models.pick(u, &self.images)?;
                let path = if u.arbitrary()? { path(u)? } else { written_path(u)? };
                let mut opened = null_mut();
                if check(unsafe { gani_face_session_open(model, or_null(&path, u)?, &mut opened) }) {
                    self.faces.add(opened);
                }
            }
            5 => {
                check(unsafe { gani_face_session_save(face, or_null(&written_path(u)?, u)?) });
            }
            6 => {
                let mut info = Padded::<gani_face_session_info>::new(unsafe { zeroed() });
                info.value.struct_size = Padded::<gani_face_session_info>::struct_size(u)?;
                check(unsafe { gani_face_session_describe(face, &mut info.value) });
            }
            _ => {
                check(unsafe { gani_face_session_free(face) });
            }
        }
        Ok(())
    }

    fn library(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let stop = if u.arbitrary()? { folder().as_os_str().as_encoded_bytes().as_ptr() as *mut c_void } else { null_mut() };
        match u.int_in_range(0..=4)? {
            0 => {
                let function: gani_log_fn = if u.arbitrary()? { Some(on_message) } else { None };
                check(unsafe { gani_log_set(u.int_in_range(0..=5)?, function, null_mut()) });
            }
            1 => {
                check(gani_abi_check(u.arbitrary()?));
            }
            2 => unsafe { read(gani_stage_label(u.arbitrary()?)) },
            3 => {
                check(unsafe { gani_bundle_list(Some(on_bundle), stop) });
            }
            _ => {
                check(unsafe { gani_face_direction_list(Some(on_direction), stop) });
            }
        }
        Ok(())
    }

    /// Frees all handles: each can be freed once.
    pub fn end(self) {
        unsafe {
            check(gani_log_set(0, None, null_mut()));
            for face in self.faces.all() {
                check(gani_face_session_free(face));
                assert_eq!(gani_face_session_free(face), gani_status::GANI_ERROR_MISUSE);
            }
            for image in self.images.all() {
                check(gani_image_free(image));
                assert_eq!(gani_image_free(image), gani_status::GANI_ERROR_MISUSE);
            }
            for model in self.models.all() {
                check(gani_model_free(model));
                assert_eq!(gani_model_free(model), gani_status::GANI_ERROR_MISUSE);
            }
        }
        assert_eq!(gani_handle_count(), 0, "handles are left");
    }
}
