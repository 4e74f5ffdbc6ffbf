//! The plug-in as GIMP sees it: a GObject class, its procedures described and run.

use super::functions::{GIMP, Gimp};
use super::handles::*;
use super::{Host, c_text, library};
use crate::procedure::{Argument, Call, Done, Kind, PROCEDURES, Procedure as Description, Stop};
use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

static TABLE: OnceLock<Gimp> = OnceLock::new();

/// Opens libgimp and serves it until GIMP ends the session; returns the exit code.
///
/// # Errors
/// What is missing or of another kind than this plug-in knows.
pub fn serve(arguments: Vec<String>) -> Result<i32, String> {
    let libraries = library::open_all(GIMP)?;
    // SAFETY: the signatures follow the headers of GIMP 3.0; the libraries are never closed.
    let table = unsafe { Gimp::load(&libraries) }?;
    std::mem::forget(libraries);
    let gimp = TABLE.get_or_init(|| table);
    let strings: Vec<CString> = arguments.iter().map(|a| c_text(a)).collect();
    let mut argv: Vec<*mut c_char> = strings.iter().map(|s| s.as_ptr().cast_mut()).collect();
    let argc = argv.len() as c_int;
    argv.push(null_mut());
    // SAFETY: the class is registered with the sizes that GLib reports, checked against what `class_init` writes;
    // argv is a NULL-terminated array of strings that live through the call.
    unsafe {
        let parent = (gimp.gimp_plug_in_get_type)();
        let mut about = GTypeQuery { gtype: 0, name: null(), class_size: 0, instance_size: 0 };
        (gimp.g_type_query)(parent, &mut about);
        if (about.class_size as usize) < size_of::<PlugInClass>() {
            return Err(format!(
                "this GIMP's GimpPlugInClass has {} bytes: a newer gani may know it",
                about.class_size
            ));
        }
        let class = (gimp.g_type_register_static_simple)(
            parent,
            c"GaniPlugIn".as_ptr(),
            about.class_size,
            class_init,
            about.instance_size,
            null_mut(),
            0,
        );
        Ok((gimp.gimp_main)(class, argc, argv.as_mut_ptr()))
    }
}

/// The host, in callbacks: GIMP calls them on the main thread, after `serve` filled the table.
fn host() -> Option<Host> {
    TABLE.get().map(|gimp| Host { gimp, main_thread: PhantomData })
}

unsafe extern "C" fn class_init(class: *mut PlugInClass, _: Opaque) {
    // SAFETY: GLib passes a class structure that is ours to fill, of at least this size.
    let class = unsafe { &mut *class };
    class.query_procedures = Some(query);
    class.create_procedure = Some(create);
    class.set_i18n = Some(no_translations);
}

unsafe extern "C" fn no_translations(_: PlugIn, _: Text, _: *mut *mut c_char, _: *mut *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn query(plug_in: PlugIn) -> *mut GList {
    let Some(host) = host() else { return null_mut() };
    let gimp = host.gimp();
    // SAFETY: the strings are constants; the list and its copies of names become libgimp's.
    unsafe {
        (gimp.gimp_plug_in_add_menu_branch)(plug_in, c"<Image>/Filters".as_ptr(), c"Po_rtrait".as_ptr());
        PROCEDURES.iter().fold(null_mut(), |list, procedure| {
            (gimp.g_list_append)(list, (gimp.g_strdup)(procedure.name.as_ptr()))
        })
    }
}

/// The description of a procedure by its name.
///
/// # Safety
/// `name` is a C string.
unsafe fn described(name: Text) -> Option<&'static Description> {
    // SAFETY: by the caller.
    let name = unsafe { CStr::from_ptr(name) };
    PROCEDURES.iter().find(|p| p.name == name)
}

unsafe extern "C" fn create(plug_in: PlugIn, name: Text) -> Option<Procedure> {
    let host = host()?;
    let gimp = host.gimp();
    // SAFETY: libgimp passes a valid name; all other strings are constants, as G_PARAM_STATIC_STRINGS promises.
    unsafe {
        let about = described(name)?;
        let plain = 1; // GIMP_PDB_PROC_TYPE_PLUGIN
        let p = (gimp.gimp_image_procedure_new)(plug_in, name, plain, run, null_mut(), null_mut())?;
        (gimp.gimp_procedure_set_image_types)(p, c"RGB*, GRAY*".as_ptr());
        let one_drawable = 1; // GIMP_PROCEDURE_SENSITIVE_DRAWABLE
        (gimp.gimp_procedure_set_sensitivity_mask)(p, one_drawable);
        (gimp.gimp_procedure_set_menu_label)(p, about.menu_label.as_ptr());
        (gimp.gimp_procedure_add_menu_path)(p, c"<Image>/Filters/Portrait".as_ptr());
        (gimp.gimp_procedure_set_documentation)(p, about.summary.as_ptr(), about.help.as_ptr(), name);
        (gimp.gimp_procedure_set_attribution)(
            p,
            c"gani".as_ptr(),
            c"MIT or Apache-2.0".as_ptr(),
            c"2026".as_ptr(),
        );
        for argument in about.arguments.iter().copied().flatten() {
            declare(host, p, argument);
        }
        let (name, label, help) =
            (c"layer", c"Layer", c"The new layer or layer group; none where the drawable was changed");
        (gimp.gimp_procedure_add_layer_return_value)(
            p,
            name.as_ptr(),
            label.as_ptr(),
            help.as_ptr(),
            1,
            READ_WRITE,
        );
        let (name, label, help) =
            (c"from-cache", c"From the cache", c"Whether the face had been inverted before");
        (gimp.gimp_procedure_add_boolean_return_value)(
            p,
            name.as_ptr(),
            label.as_ptr(),
            help.as_ptr(),
            0,
            READ_WRITE,
        );
        Some(p)
    }
}

/// # Safety
/// `p` is a procedure under construction.
unsafe fn declare(host: Host, p: Procedure, argument: &'static Argument) {
    let gimp = host.gimp();
    let (name, label, help) = (argument.name.as_ptr(), argument.label.as_ptr(), argument.help.as_ptr());
    // SAFETY: by the caller; the strings are constants.
    unsafe {
        match argument.kind {
            Kind::Number { from, to, default } => {
                (gimp.gimp_procedure_add_double_argument)(p, name, label, help, from, to, default, READ_WRITE)
            }
            Kind::Whole { from, to, default } => {
                (gimp.gimp_procedure_add_int_argument)(p, name, label, help, from, to, default, READ_WRITE)
            }
            Kind::Text => {
                (gimp.gimp_procedure_add_string_argument)(p, name, label, help, c"".as_ptr(), READ_WRITE)
            }
            Kind::Choice(choices) => {
                let (Some(choice), Some((first, _))) = ((gimp.gimp_choice_new)(), choices.first()) else {
                    return;
                };
                for (id, (nick, label)) in choices.iter().enumerate() {
                    (gimp.gimp_choice_add)(choice, nick.as_ptr(), id as c_int, label.as_ptr(), null());
                }
                (gimp.gimp_procedure_add_choice_argument)(
                    p,
                    name,
                    label,
                    help,
                    choice,
                    first.as_ptr(),
                    READ_WRITE,
                )
            }
        }
    }
}

unsafe extern "C" fn run(
    procedure: Procedure,
    run_mode: c_int,
    image: Image,
    drawables: *mut Option<Drawable>,
    config: Config,
    _: Opaque,
) -> Option<Values> {
    let host = host()?;
    // SAFETY: libgimp passes the procedure's name, and a NULL-terminated array of drawables or NULL.
    let (about, selected) = unsafe {
        (host.gimp().gegl_init)(null_mut(), null_mut());
        let about = described((host.gimp().gimp_procedure_get_name)(procedure))?;
        let mut selected = Vec::new();
        while !drawables.is_null()
            && let Some(drawable) = *drawables.add(selected.len())
        {
            selected.push(drawable);
        }
        (about, selected)
    };
    let &[drawable] = &selected[..] else {
        return host.finish(procedure, Status::CallingError, Some("Select exactly one layer."));
    };
    let call = Call { host, procedure, interactive: run_mode == 0, image, drawable, config };
    // Nothing may unwind into libgimp; a fault of ours becomes a message like any other failure.
    let outcome = catch_unwind(AssertUnwindSafe(|| (about.run)(&call)));
    if run_mode != 1 {
        host.flush_displays();
    }
    match outcome {
        Ok(Ok(done)) => host.succeed(procedure, &done),
        Ok(Err(Stop::Cancelled)) => host.finish(procedure, Status::Cancel, None),
        Ok(Err(Stop::Failed(text))) => host.finish(procedure, Status::ExecutionError, Some(&text)),
        Err(_) => {
            let text =
                "gani's plug-in met an internal error; nothing was changed. Please report what its log says.";
            host.finish(procedure, Status::ExecutionError, Some(text))
        }
    }
}

impl Host {
    fn finish(self, procedure: Procedure, status: Status, text: Option<&str>) -> Option<Values> {
        // SAFETY: the error's text is copied; the error becomes libgimp's.
        unsafe {
            let error = text.and_then(|text| {
                let domain = (self.gimp.g_quark_from_static_string)(c"gani".as_ptr());
                (self.gimp.g_error_new_literal)(domain, 0, c_text(text).as_ptr())
            });
            (self.gimp.gimp_procedure_new_return_values)(procedure, status as c_int, error)
        }
    }

    fn succeed(self, procedure: Procedure, done: &Done) -> Option<Values> {
        let values = self.finish(procedure, Status::Success, None)?;
        // SAFETY: `create` declared these two results after the status, with these types.
        unsafe {
            let layer = done.layer.map_or(null_mut(), Layer::object);
            (self.gimp.g_value_set_object)((self.gimp.gimp_value_array_index)(values, 1)?, layer);
            let from_cache = c_int::from(done.from_cache);
            (self.gimp.g_value_set_boolean)((self.gimp.gimp_value_array_index)(values, 2)?, from_cache);
        }
        Some(values)
    }
}
