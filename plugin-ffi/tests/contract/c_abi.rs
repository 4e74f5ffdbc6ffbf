//! The contract tests through the C ABI.

use crate::{Api, Direction, Event, Failure, Info, Options, Picture};
use gani::*;
use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::size_of;
use std::path::Path;
use std::ptr;

pub struct CAbi;

/// A handle that is freed on drop.
pub struct Handle<T>(*mut T, unsafe extern "C" fn(*mut T) -> gani_status);

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: freeing accepts any value, even an invalid handle.
        assert_eq!(unsafe { (self.1)(self.0) }, gani_status::GANI_OK);
    }
}

fn string(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn path(path: &Path) -> CString {
    string(path.to_str().unwrap())
}

fn check(status: gani_status) -> Result<(), Failure> {
    let kind = match status {
        gani_status::GANI_OK => return Ok(()),
        gani_status::GANI_ERROR_INPUT => "input",
        gani_status::GANI_ERROR_MODEL => "model",
        gani_status::GANI_ERROR_UNSUPPORTED => "unsupported",
        gani_status::GANI_ERROR_LIMITS => "limits",
        gani_status::GANI_ERROR_RUNTIME => "runtime",
        gani_status::GANI_ERROR_IO => "io",
        gani_status::GANI_CANCELLED => "cancelled",
        gani_status::GANI_ERROR_MISUSE => "misuse",
        gani_status::GANI_ERROR_INTERNAL => "internal",
    };
    // SAFETY: the string is valid until the next failure on this thread.
    let text = unsafe { CStr::from_ptr(gani_last_error()) };
    Err((kind, text.to_str().unwrap().into()))
}

/// Calls `create` with an output handle.
fn create<T>(
    free: unsafe extern "C" fn(*mut T) -> gani_status,
    create: impl FnOnce(*mut *mut T) -> gani_status,
) -> Result<Handle<T>, Failure> {
    let mut handle = ptr::null_mut();
    let result = check(create(&mut handle));
    assert_eq!(handle.is_null(), result.is_err(), "a handle is returned exactly on success");
    result.map(|()| Handle(handle, free))
}

fn wrap(pixels: *mut u8, [width, height]: [u32; 2], mask: Option<&Vec<u8>>) -> Handle<gani_image> {
    let desc = gani_image_desc {
        struct_size: size_of::<gani_image_desc>(),
        pixels: pixels.cast(),
        stride: 3 * width as usize,
        mask: mask.map_or(ptr::null(), |mask| mask.as_ptr()),
        mask_stride: 0,
        width,
        height,
        layout: gani_layout::GANI_LAYOUT_RGB as u32,
        sample: gani_sample::GANI_SAMPLE_U8 as u32,
        icc_profile: ptr::null(),
        icc_profile_size: 0,
    };
    // SAFETY: the pixels outlive the handle in every use below.
    create(gani_image_free, |to| unsafe { gani_image_wrap(&desc, to) }).unwrap()
}

/// An RGB image of `side` × `side` pixels that `draw` fills.
fn drawn(side: u32, draw: impl FnOnce(*mut gani_image) -> gani_status) -> Result<Vec<u8>, Failure> {
    let mut rgb = vec![0; 3 * (side * side) as usize];
    let image = wrap(rgb.as_mut_ptr(), [side, side], None);
    check(draw(image.0))?;
    drop(image);
    Ok(rgb)
}

fn with_edits<T>(edits: &[(&str, f32)], f: impl FnOnce(*const gani_edit, usize) -> T) -> T {
    let names: Vec<CString> = edits.iter().map(|(name, _)| string(name)).collect();
    let edits: Vec<gani_edit> = names
        .iter()
        .zip(edits)
        .map(|(name, (_, strength))| gani_edit { direction: name.as_ptr(), strength: *strength })
        .collect();
    f(edits.as_ptr(), edits.len())
}

type OnProgress<'f> = &'f mut dyn FnMut(Event) -> bool;

unsafe extern "C" fn call_on_progress(progress: *const gani_progress, user_data: *mut c_void) -> c_int {
    // SAFETY: the library's struct, and the closure that `invert` below passes.
    let (progress, callback) = unsafe { (&*progress, &mut *user_data.cast::<OnProgress<'_>>()) };
    assert_eq!(progress.struct_size, size_of::<gani_progress>());
    let &gani_progress { stage, step, steps, .. } = progress;
    let event = match (progress.preview.is_null(), step) {
        (false, _) => Event::Preview([progress.preview_width, progress.preview_height]),
        (true, 0) => Event::Begin(stage),
        (true, _) => Event::Step { stage, step, steps },
    };
    assert!(step < 2 || progress.seconds_left >= 0.0);
    callback(event).into()
}

unsafe extern "C" fn on_direction(direction: *const gani_direction, user_data: *mut c_void) -> c_int {
    // SAFETY: the library's struct and strings, and the list that `directions` below passes.
    unsafe {
        let list = &mut *user_data.cast::<Vec<Direction>>();
        let name = CStr::from_ptr((*direction).name).to_str().unwrap();
        list.push((name.into(), (*direction).named == 1, (*direction).sigma));
    }
    1
}

impl Api for CAbi {
    type Model = Handle<gani_model>;
    type Face = (Handle<gani_face_session>, u32);

    fn open(model: &str, device: &str) -> Result<Self::Model, Failure> {
        let (model, device) = (string(model), string(device));
        let options = gani_model_options {
            struct_size: size_of::<gani_model_options>(),
            model: model.as_ptr(),
            device: device.as_ptr(),
            onnx_runtime: ptr::null(),
            threads: 0,
        };
        // SAFETY: a struct and strings of this function.
        create(gani_model_free, |to| unsafe { gani_model_open(&options, to) })
    }

    fn directions(model: &Self::Model) -> Vec<Direction> {
        let mut list: Vec<Direction> = Vec::new();
        // SAFETY: the list outlives the call.
        check(unsafe { gani_model_list_directions(model.0, Some(on_direction), (&raw mut list).cast()) })
            .unwrap();
        list
    }

    fn resolution(model: &Self::Model) -> u32 {
        let mut info = gani_model_info {
            struct_size: size_of::<gani_model_info>(),
            name: ptr::null(),
            title: ptr::null(),
            license: ptr::null(),
            device: ptr::null(),
            onnx_runtime: ptr::null(),
            width: 0,
            height: 0,
        };
        // SAFETY: a struct of this function; strings of a live model.
        unsafe {
            check(gani_model_describe(model.0, &mut info)).unwrap();
            assert_eq!(CStr::from_ptr(info.device), c"cpu");
            assert!(CStr::from_ptr(info.license).to_str().unwrap().contains("non-commercial"));
        }
        assert_eq!(info.width, info.height);
        info.width
    }

    fn generate(model: &Self::Model, seed: u64, truncation_psi: f32) -> Vec<u8> {
        // SAFETY: live handles.
        drawn(Self::resolution(model), |into| unsafe {
            gani_model_generate(model.0, seed, truncation_psi, into)
        })
        .unwrap()
    }

    fn invert(
        model: &Self::Model,
        picture: &Picture,
        given: &Options<'_>,
        mut on_progress: &mut dyn FnMut(Event) -> bool,
    ) -> Result<Self::Face, Failure> {
        let folder = given.cache.map(path);
        let options = gani_invert_options {
            struct_size: size_of::<gani_invert_options>(),
            preset: gani_preset::GANI_PRESET_FAST as u32,
            aligned: given.aligned.into(),
            face: given.face,
            iterations: given.iterations,
            refine_steps: given.refine_steps,
            cache: u32::from(folder.is_none()),
            cache_folder: folder.as_ref().map_or(ptr::null(), |folder| folder.as_ptr()),
            cache_limit: 0,
            seed: given.seed,
            progress: Some(call_on_progress),
            user_data: (&raw mut on_progress).cast(),
            preview_interval: given.preview_interval,
        };
        let image =
            wrap(picture.rgb.as_ptr().cast_mut(), [picture.width, picture.height], picture.mask.as_ref());
        // SAFETY: live handles; the struct, its string and the closure outlive the call.
        let face = create(gani_face_session_free, |to| unsafe {
            gani_model_invert(model.0, image.0, &options, to)
        })?;
        Ok((face, Self::resolution(model)))
    }

    fn render(face: &Self::Face, edits: &[(&str, f32)]) -> Result<Vec<u8>, Failure> {
        // SAFETY: live handles and an array of this many edits.
        drawn(face.1, |into| {
            with_edits(edits, |edits, n| unsafe { gani_face_session_render(face.0.0, edits, n, into) })
        })
    }

    fn paste(
        face: &Self::Face,
        edits: &[(&str, f32)],
        keep: u32,
        into: &mut Picture,
    ) -> Result<[u32; 4], Failure> {
        let image = wrap(into.rgb.as_mut_ptr(), [into.width, into.height], into.mask.as_ref());
        let mut rect = gani_rect::default();
        let options = gani_paste_options {
            struct_size: size_of::<gani_paste_options>(),
            keep,
            feather: 0.0,
            other_photo: 0,
        };
        // SAFETY: live handles, an array of this many edits, structs of this function.
        check(with_edits(edits, |edits, n| unsafe {
            match keep {
                0 => gani_face_session_paste(face.0.0, edits, n, image.0, &mut rect),
                _ => gani_face_session_paste_with(face.0.0, edits, n, &options, image.0, &mut rect),
            }
        }))?;
        Ok([rect.x, rect.y, rect.width, rect.height])
    }

    fn info(face: &Self::Face) -> Info {
        let mut info = gani_face_session_info {
            struct_size: size_of::<gani_face_session_info>(),
            from_cache: 9,
            has_alignment: 9,
            alignment: [0.0; 8],
            photo_width: 0,
            photo_height: 0,
            mse: 0.0,
            lpips: 0.0,
            ms_ssim: 0.0,
            id: 0.0,
            key: std::ptr::null(),
            face: 9,
            steps: 9,
        };
        // SAFETY: a live handle and a struct of this function.
        check(unsafe { gani_face_session_describe(face.0.0, &mut info) }).unwrap();
        Info {
            from_cache: info.from_cache == 1,
            alignment: (info.has_alignment == 1).then_some(info.alignment),
            photo: [info.photo_width, info.photo_height],
            mse: info.mse,
            // SAFETY: the string is valid until the session is freed.
            key: unsafe { CStr::from_ptr(info.key) }.to_str().unwrap().into(),
            face: info.face,
            steps: info.steps,
        }
    }

    fn save(face: &Self::Face, file: &Path) -> Result<(), Failure> {
        // SAFETY: a live handle and a string of this function.
        check(unsafe { gani_face_session_save(face.0.0, path(file).as_ptr()) })
    }

    fn open_face(model: &Self::Model, file: &Path) -> Result<Self::Face, Failure> {
        let file = path(file);
        // SAFETY: a live handle and a string of this function.
        let face = create(gani_face_session_free, |to| unsafe {
            gani_face_session_open(model.0, file.as_ptr(), to)
        })?;
        Ok((face, Self::resolution(model)))
    }
}
