//! Bundles and models: list, open, describe, list directions, generate.

use crate::boundary::{self, FfiError, c_string, guard};
use crate::extensible;
use crate::handles::{self, Object};
use crate::image::ImageObject;
use crate::labels::call_with_direction;
use crate::*;
use gani_core::bundle::{Bundle, default_name};
use gani_core::edit::Generator;
use gani_core::model::Model;
use gani_core::runtime::{Cancel, DeviceChoice};
use std::ffi::{CString, c_void};
use std::mem::size_of;
use std::ptr;

/// The object of a `gani_model` handle, with the strings that `gani_model_describe` returns.
pub(crate) struct ModelObject {
    pub(crate) model: Model,
    name: CString,
    title: CString,
    license: CString,
    device: CString,
    onnx_runtime: CString,
}

impl Object for ModelObject {
    type Opaque = gani_model;
    const KIND: &'static str = "a model";
}

/// Calls `each` for every installed bundle, sorted by name, including those that cannot be opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_bundle_list(each: gani_bundle_fn, user_data: *mut c_void) -> gani_status {
    guard("gani_bundle_list", || {
        library::register_location();
        let each = each.ok_or_else(|| FfiError::null("each"))?;
        for (name, opened) in Bundle::list() {
            let manifest = opened.as_ref().ok().map(Bundle::manifest);
            let name = c_string(&name);
            let title = c_string(manifest.map_or("", |m| &m.title));
            let license = c_string(manifest.map_or("", |m| &m.license));
            let folder = opened.as_ref().map_or("".into(), |b| b.folder().to_string_lossy());
            let folder = c_string(&folder);
            let problem = opened.as_ref().err().map(|e| c_string(&e.to_string()));
            let [height, width] = opened.as_ref().map_or([0; 2], |b| b.image_shape().map(|n| n as u32));
            let info = gani_bundle_info {
                struct_size: size_of::<gani_bundle_info>(),
                name: name.as_ptr(),
                title: title.as_ptr(),
                license: license.as_ptr(),
                folder: folder.as_ptr(),
                problem: problem.as_ref().map_or(ptr::null(), |p| p.as_ptr()),
                width,
                height,
                for_tests: u32::from(manifest.is_some_and(|m| m.for_tests)),
            };
            // SAFETY: the caller's function and user_data; the struct and its strings outlive the call.
            if unsafe { each(&info, user_data) } == 0 {
                break;
            }
        }
        Ok(())
    })
}

/// Opens a bundle on a device and stores a new handle in `model`. `options` may be NULL for the defaults. Takes
/// milliseconds; networks are loaded on first use. On failure, *model is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_open(
    options: *const gani_model_options,
    model: *mut *mut gani_model,
) -> gani_status {
    guard("gani_model_open", || {
        library::register_location();
        // SAFETY: `model` is writable; the struct and its strings are as the header requires.
        let (options, name, device, library) = unsafe {
            handles::reset(model, "model")?;
            let options = extensible::read(options, "gani_model_options")?;
            let name = boundary::optional(options.model, "options.model")?;
            let device = boundary::optional(options.device, "options.device")?;
            let library = boundary::optional(options.onnx_runtime, "options.onnx_runtime")?;
            (options, name, device, library)
        };
        let device: DeviceChoice = device.unwrap_or("auto").parse()?;
        let mut builder = Model::builder().device(device).threads(options.threads as usize);
        if let Some(library) = library {
            builder = builder.library(library);
        }
        let opened = builder.open(&name.map_or_else(default_name, str::to_owned))?;
        let manifest = opened.bundle.manifest();
        let object = ModelObject {
            name: c_string(&manifest.name),
            title: c_string(&manifest.title),
            license: c_string(&manifest.license),
            device: c_string(&opened.runtime.device().to_string()),
            onnx_runtime: c_string(opened.runtime.version()),
            model: opened,
        };
        // SAFETY: `reset` has checked and written `model`.
        unsafe { handles::insert(model, object) };
        Ok(())
    })
}

/// Frees a model; NULL is ignored. Face sessions created with it stay usable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_free(model: *mut gani_model) -> gani_status {
    guard("gani_model_free", || handles::free::<ModelObject>(model))
}

/// Fills `info`. The caller must have set info->struct_size. The strings belong to the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_describe(
    model: *const gani_model,
    info: *mut gani_model_info,
) -> gani_status {
    guard("gani_model_describe", || {
        let object = handles::get::<ModelObject>(model)?;
        let [height, width] = object.model.bundle.image_shape();
        let value = gani_model_info {
            struct_size: size_of::<gani_model_info>(),
            name: object.name.as_ptr(),
            title: object.title.as_ptr(),
            license: object.license.as_ptr(),
            device: object.device.as_ptr(),
            onnx_runtime: object.onnx_runtime.as_ptr(),
            width: width as u32,
            height: height as u32,
        };
        // SAFETY: the caller's struct, writable up to its struct_size.
        unsafe { extensible::write(info, &value, "gani_model_info") }
    })
}

/// Calls `each` for every direction of the model: first the semantic directions, then the principal components.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_list_directions(
    model: *const gani_model,
    each: gani_direction_fn,
    user_data: *mut c_void,
) -> gani_status {
    guard("gani_model_list_directions", || {
        let object = handles::get::<ModelObject>(model)?;
        let each = each.ok_or_else(|| FfiError::null("each"))?;
        let all = object.model.directions()?;
        let named = all.named.iter().map(|d| (1, d)).chain(all.pca.iter().map(|d| (0, d)));
        for (named, direction) in named {
            // SAFETY: the caller's function and user_data.
            let proceed = unsafe {
                call_with_direction(each, user_data, &direction.name, named, direction.sigma, &direction.info)
            };
            if !proceed {
                break;
            }
        }
        Ok(())
    })
}

/// Generates a random image from `seed`, resized to the whole of `out`. `truncation_psi` scales the distance of the latent
/// from the mean: 0 gives the mean face, 1 the full variety; 0.7 is common.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_generate(
    model: *const gani_model,
    seed: u64,
    truncation_psi: f32,
    out: *mut gani_image,
) -> gani_status {
    guard("gani_model_generate", || {
        let object = handles::get::<ModelObject>(model)?;
        let out = handles::get::<ImageObject>(out)?;
        if !truncation_psi.is_finite() {
            return Err(FfiError::Core(gani_core::Error::Input(format!(
                "truncation_psi is {truncation_psi}; use 0 to 1"
            ))));
        }
        let cancel = Cancel::new();
        let ws = object.model.sample(seed, truncation_psi, &cancel)?;
        let image = Generator::untuned(&object.model)?.image(ws.view(), &cancel)?;
        out.draw(image.view())
    })
}
