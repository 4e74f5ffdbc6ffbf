//! The plug-in's GObject class: it lists, creates and runs the procedures.

use super::functions::{GIMP_LIBRARIES, GimpFunctions};
use super::handles::*;
use super::libgimp::{LibGimp, c_string};
use super::library;
use super::procedure::{ArgumentKind, ArgumentSpec, Call, Outcome, ProcedureSpec};
use crate::error::Error;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

/// What the C callbacks need.
struct PlugInState {
    functions: GimpFunctions,
    procedures: &'static [ProcedureSpec],
}

static STATE: OnceLock<PlugInState> = OnceLock::new();

/// Opens libgimp and serves GIMP's calls of `procedures` until it ends the session. Returns the exit code.
///
/// # Errors
/// A missing library or function, or an incompatible class structure.
pub fn serve(arguments: Vec<String>, procedures: &'static [ProcedureSpec]) -> Result<i32, String> {
    let libraries = library::open_all(GIMP_LIBRARIES)?;
    // SAFETY: the signatures follow the headers of GIMP 3.0. The libraries are never closed.
    let functions = unsafe { GimpFunctions::load(&libraries) }?;
    std::mem::forget(libraries);
    let gimp = &STATE.get_or_init(|| PlugInState { functions, procedures }).functions;
    let strings: Vec<CString> = arguments.iter().map(|a| c_string(a)).collect();
    let mut argv: Vec<*mut c_char> = strings.iter().map(|s| s.as_ptr().cast_mut()).collect();
    let argc = argv.len() as c_int;
    argv.push(null_mut());
    // SAFETY: the class has the sizes that GLib reports for its parent, and they are at least the size of the structure
    // that `class_init` writes. argv is a NULL-terminated array of strings that live until the call returns.
    unsafe {
        let parent = (gimp.gimp_plug_in_get_type)();
        let mut query = GTypeQuery { gtype: 0, name: null(), class_size: 0, instance_size: 0 };
        (gimp.g_type_query)(parent, &mut query);
        let (actual, expected) = (query.class_size as usize, size_of::<PlugInClass>());
        if actual < expected {
            return Err(format!(
                "this GIMP's GimpPlugInClass has {actual} bytes, but at least {expected} are expected; install a newer gani"
            ));
        }
        let class = (gimp.g_type_register_static_simple)(
            parent,
            c"GaniPlugIn".as_ptr(),
            query.class_size,
            class_init,
            query.instance_size,
            null_mut(),
            0,
        );
        Ok((gimp.gimp_main)(class, argc, argv.as_mut_ptr()))
    }
}

unsafe extern "C" fn class_init(class: *mut PlugInClass, _: Opaque) {
    // SAFETY: GLib passes a class structure to initialize, of at least this size.
    let class = unsafe { &mut *class };
    class.query_procedures = Some(query_procedures);
    class.create_procedure = Some(create_procedure);
    class.set_i18n = Some(disable_translations);
}

unsafe extern "C" fn disable_translations(
    _: PlugIn,
    _: Text,
    _: *mut *mut c_char,
    _: *mut *mut c_char,
) -> c_int {
    0
}

unsafe extern "C" fn query_procedures(plug_in: PlugIn) -> *mut GList {
    let Some(state) = STATE.get() else { return null_mut() };
    let gimp = &state.functions;
    // SAFETY: libgimp copies the strings and takes ownership of the list and of the copied names.
    unsafe {
        (gimp.gimp_plug_in_add_menu_branch)(plug_in, c"<Image>/Filters".as_ptr(), c"Po_rtrait".as_ptr());
        state.procedures.iter().fold(null_mut(), |list, procedure| {
            (gimp.g_list_append)(list, (gimp.g_strdup)(procedure.name.as_ptr()))
        })
    }
}

/// The specification of a procedure.
///
/// # Safety
/// `name` is a C string.
unsafe fn find_spec(state: &PlugInState, name: Text) -> Option<&'static ProcedureSpec> {
    // SAFETY: guaranteed by the caller.
    let name = unsafe { CStr::from_ptr(name) };
    state.procedures.iter().find(|p| p.name == name)
}

unsafe extern "C" fn create_procedure(plug_in: PlugIn, name: Text) -> Option<Procedure> {
    const PLUGIN: c_int = 1; // GIMP_PDB_PROC_TYPE_PLUGIN
    const ONE_DRAWABLE: c_int = 1; // GIMP_PROCEDURE_SENSITIVE_DRAWABLE
    let state = STATE.get()?;
    let gimp = &state.functions;
    // SAFETY: libgimp passes a valid name and copies all strings.
    unsafe {
        let spec = find_spec(state, name)?;
        let p = (gimp.gimp_image_procedure_new)(plug_in, name, PLUGIN, run, null_mut(), null_mut())?;
        (gimp.gimp_procedure_set_image_types)(p, c"RGB*, GRAY*".as_ptr());
        (gimp.gimp_procedure_set_sensitivity_mask)(p, ONE_DRAWABLE);
        (gimp.gimp_procedure_set_menu_label)(p, spec.menu_label.as_ptr());
        (gimp.gimp_procedure_add_menu_path)(p, c"<Image>/Filters/Portrait".as_ptr());
        (gimp.gimp_procedure_set_documentation)(p, spec.summary.as_ptr(), spec.help.as_ptr(), name);
        let (author, license, year) = (c"gani", c"MIT or Apache-2.0", c"2026");
        (gimp.gimp_procedure_set_attribution)(p, author.as_ptr(), license.as_ptr(), year.as_ptr());
        for argument in (spec.arguments)() {
            declare_argument(gimp, p, &argument);
        }
        declare_return_values(gimp, p);
        Some(p)
    }
}

/// # Safety
/// `p` is a procedure under construction.
unsafe fn declare_argument(gimp: &GimpFunctions, p: Procedure, argument: &ArgumentSpec) {
    let [name, label, help] = [&argument.name, &argument.label, argument.help].map(c_string);
    let (name, label, help) = (name.as_ptr(), label.as_ptr(), help.as_ptr());
    // SAFETY: `p` is valid by the caller's guarantee. GLib and libgimp copy the strings.
    unsafe {
        match &argument.kind {
            &ArgumentKind::Double { min, max, default } => {
                (gimp.gimp_procedure_add_double_argument)(p, name, label, help, min, max, default, READ_WRITE)
            }
            &ArgumentKind::Int { min, max, default } => {
                (gimp.gimp_procedure_add_int_argument)(p, name, label, help, min, max, default, READ_WRITE)
            }
            ArgumentKind::String => {
                (gimp.gimp_procedure_add_string_argument)(p, name, label, help, c"".as_ptr(), READ_WRITE)
            }
            ArgumentKind::Choice(values) => {
                let (Some(choice), Some((first, _))) = ((gimp.gimp_choice_new)(), values.first()) else {
                    return;
                };
                for (id, (value, label)) in (0..).zip(values) {
                    let (value, label) = (c_string(value), c_string(label));
                    (gimp.gimp_choice_add)(choice, value.as_ptr(), id, label.as_ptr(), null());
                }
                let default = c_string(first);
                (gimp.gimp_procedure_add_choice_argument)(
                    p,
                    name,
                    label,
                    help,
                    choice,
                    default.as_ptr(),
                    READ_WRITE,
                )
            }
        }
    }
}

/// Declares the return values after the status: `layer` and `from-cache`. [`succeed`] fills them.
///
/// # Safety
/// `p` is a procedure under construction.
unsafe fn declare_return_values(gimp: &GimpFunctions, p: Procedure) {
    const NULL_ALLOWED: c_int = 1;
    const DEFAULT: c_int = 0;
    let layer = (c"layer", c"Layer", c"The new layer or layer group; NULL if the selected layer was changed");
    let from_cache = (c"from-cache", c"From the cache", c"Whether the face had been inverted before");
    // SAFETY: `p` is valid by the caller's guarantee. GLib copies the strings.
    unsafe {
        let (name, label, help) = (layer.0.as_ptr(), layer.1.as_ptr(), layer.2.as_ptr());
        (gimp.gimp_procedure_add_layer_return_value)(p, name, label, help, NULL_ALLOWED, READ_WRITE);
        let (name, label, help) = (from_cache.0.as_ptr(), from_cache.1.as_ptr(), from_cache.2.as_ptr());
        (gimp.gimp_procedure_add_boolean_return_value)(p, name, label, help, DEFAULT, READ_WRITE);
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
    const INTERACTIVE: c_int = 0; // GIMP_RUN_INTERACTIVE
    const NONINTERACTIVE: c_int = 1; // GIMP_RUN_NONINTERACTIVE
    let state = STATE.get()?;
    let functions = &state.functions;
    let gimp = LibGimp::new(functions);
    // SAFETY: libgimp passes a valid procedure, and a NULL-terminated array of drawables or NULL.
    let (spec, selected) = unsafe {
        (functions.gegl_init)(null_mut(), null_mut());
        let spec = find_spec(state, (functions.gimp_procedure_get_name)(procedure))?;
        let mut selected = Vec::new();
        while !drawables.is_null()
            && let Some(drawable) = *drawables.add(selected.len())
        {
            selected.push(drawable);
        }
        (spec, selected)
    };
    let &[drawable] = &selected[..] else {
        return finish(functions, procedure, Status::CallingError, Some("Select exactly one layer."));
    };
    let call = Call { gimp, procedure, interactive: run_mode == INTERACTIVE, image, drawable, config };
    // A panic must not unwind into libgimp.
    let result = catch_unwind(AssertUnwindSafe(|| (spec.run)(&call)));
    if run_mode != NONINTERACTIVE {
        gimp.flush_displays();
    }
    match result.unwrap_or_else(|_| Err(Error::internal())) {
        Ok(outcome) => succeed(functions, procedure, &outcome),
        Err(Error::Cancelled) => finish(functions, procedure, Status::Cancel, None),
        Err(Error::Failed(text)) => finish(functions, procedure, Status::ExecutionError, Some(&text)),
    }
}

/// The return values of a call that ends with `status` and, if it failed, an error message.
fn finish(gimp: &GimpFunctions, procedure: Procedure, status: Status, text: Option<&str>) -> Option<Values> {
    // SAFETY: GLib copies the message. libgimp takes ownership of the error.
    unsafe {
        let error = text.and_then(|text| {
            let domain = (gimp.g_quark_from_static_string)(c"gani".as_ptr());
            (gimp.g_error_new_literal)(domain, 0, c_string(text).as_ptr())
        });
        (gimp.gimp_procedure_new_return_values)(procedure, status as c_int, error)
    }
}

/// The return values of a successful call.
fn succeed(gimp: &GimpFunctions, procedure: Procedure, outcome: &Outcome) -> Option<Values> {
    let values = finish(gimp, procedure, Status::Success, None)?;
    // SAFETY: `declare_return_values` declared these two values with these types, after the status.
    unsafe {
        let layer = outcome.layer.map_or(null_mut(), Layer::object);
        (gimp.g_value_set_object)((gimp.gimp_value_array_index)(values, 1)?, layer);
        let from_cache = c_int::from(outcome.from_cache);
        (gimp.g_value_set_boolean)((gimp.gimp_value_array_index)(values, 2)?, from_cache);
    }
    Some(values)
}
