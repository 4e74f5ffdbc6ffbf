//! The CPU memory of sessions: one arena that all of them share.
//!
//! By default, each session has its own arena. gani's sessions run one after the other, so one arena that is large enough for the
//! largest session is enough for all. When a session is dropped, the arena returns its unused memory to the system.

use std::ffi::CStr;
use std::ptr;

use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::{AsPointer, Error};

/// How the arena grows: by regions of 1.5 GB. The system backs only the pages that are used, plus 3 % for bookkeeping. With smaller
/// regions, much free memory would be too fragmented for the next buffer. The first region is never returned, so it is small.
/// All regions stay small until the arena shrinks for the first time.
const SETTINGS: [(&CStr, usize); 4] = [
    (c"arena_extend_strategy", 0), // by powers of two
    (c"initial_chunk_size_bytes", 1 << 20),
    (c"initial_growth_chunk_size_bytes", REGION),
    (c"max_power_of_two_extend_bytes", REGION),
];
const REGION: usize = 3 << 29;

/// Adds an arena to the environment. Sessions built `with_env_allocators` use it.
#[allow(unsafe_code)] // `ort` does not wrap these functions
pub(super) fn register(environment: &Environment) -> ort::Result<()> {
    let api = ort::api();
    let info = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Arena, MemoryType::Default)?;
    let (keys, values) = (SETTINGS.map(|(key, _)| key.as_ptr()), SETTINGS.map(|(_, value)| value));
    let mut settings = ptr::null_mut();
    // SAFETY: all pointers are valid during the calls, and ONNX Runtime copies what they point to. It locks the environment while
    // it changes it.
    unsafe {
        let created = (api.CreateArenaCfgV2)(keys.as_ptr(), values.as_ptr(), SETTINGS.len(), &mut settings);
        Error::result_from_status(created)?;
        let environment = environment.ptr().cast_mut();
        let registered = (api.CreateAndRegisterAllocator)(environment, info.ptr(), settings);
        (api.ReleaseArenaCfg)(settings);
        Error::result_from_status(registered)
    }
}

/// Returns the heap's free pages to the system. The creation of a session leaves about as many as its weights occupy.
#[allow(unsafe_code)]
pub(super) fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim releases only memory that is not allocated, and is thread-safe.
    unsafe {
        libc::malloc_trim(0);
    }
}
