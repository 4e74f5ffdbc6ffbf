//! The memory in which sessions on a processor compute: one arena for all of them.
//!
//! By default each session has an arena of its own. Sessions of gani run one after the other, so what the largest of them needs
//! is enough for all. It grows by powers of two, of which the system gives only what is touched; one that grew by what is asked
//! for fell to pieces. When a session is dropped, the arena gives back what nobody uses.

use std::ptr;

use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::{AsPointer, Error};

/// How the arena grows.
const BY_POWERS_OF_TWO: i32 = 0;
/// The library's own choice of a size.
const DEFAULT: i32 = -1;

/// Gives the environment an arena, which sessions made `with_env_allocators` use.
#[allow(unsafe_code)] // `ort` has no function for it
pub(super) fn register(environment: &Environment) -> ort::Result<()> {
    let api = ort::api();
    let info = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Arena, MemoryType::Default)?;
    let mut settings = ptr::null_mut();
    // SAFETY: all pointers are alive, and ONNX Runtime copies what they point to; it locks what it changes of the environment.
    unsafe {
        Error::result_from_status((api.CreateArenaCfg)(
            0,
            BY_POWERS_OF_TWO,
            DEFAULT,
            DEFAULT,
            &mut settings,
        ))?;
        let environment = environment.ptr().cast_mut();
        let registered = (api.CreateAndRegisterAllocator)(environment, info.ptr(), settings);
        (api.ReleaseArenaCfg)(settings);
        Error::result_from_status(registered)
    }
}
