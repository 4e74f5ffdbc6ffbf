//! The memory in which sessions on a processor compute: one arena for all of them.
//!
//! By default each session has an arena of its own. Sessions of gani run one after the other, so what the largest of them needs
//! is enough for all. When a session is dropped, the arena gives back what nobody uses.

use std::ffi::CStr;
use std::ptr;

use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::{AsPointer, Error};

/// How the arena grows: by regions of 1.5 GB, of which the system gives only what is touched, and 3 % for their books. In smaller
/// ones much would be too small for the next buffer. The first one, which is never given back, is small, and so would be all
/// until the arena is first shrunk.
const SETTINGS: [(&CStr, usize); 4] = [
    (c"arena_extend_strategy", 0), // by powers of two
    (c"initial_chunk_size_bytes", 1 << 20),
    (c"initial_growth_chunk_size_bytes", REGION),
    (c"max_power_of_two_extend_bytes", REGION),
];
const REGION: usize = 3 << 29;

/// Gives the environment an arena, which sessions made `with_env_allocators` use.
#[allow(unsafe_code)] // `ort` has no function for it
pub(super) fn register(environment: &Environment) -> ort::Result<()> {
    let api = ort::api();
    let info = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Arena, MemoryType::Default)?;
    let (keys, values) = (SETTINGS.map(|(key, _)| key.as_ptr()), SETTINGS.map(|(_, value)| value));
    let mut settings = ptr::null_mut();
    // SAFETY: all pointers are alive, and ONNX Runtime copies what they point to; it locks what it changes of the environment.
    unsafe {
        let made = (api.CreateArenaCfgV2)(keys.as_ptr(), values.as_ptr(), SETTINGS.len(), &mut settings);
        Error::result_from_status(made)?;
        let environment = environment.ptr().cast_mut();
        let registered = (api.CreateAndRegisterAllocator)(environment, info.ptr(), settings);
        (api.ReleaseArenaCfg)(settings);
        Error::result_from_status(registered)
    }
}

/// Gives the heap's free pages back to the system: making a session leaves as many behind as its weights take.
#[allow(unsafe_code)]
pub(super) fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it frees only what nobody holds, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
