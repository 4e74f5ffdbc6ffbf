//! Sequences of calls of the C ABI. The input is a program: functions, handles (live, freed, of another kind, made up), options.
//!
//! Every pointer is valid as the header requires, or NULL; every other value is arbitrary. Buffers have exactly the size that the
//! call states, so that AddressSanitizer sees an access beyond it.
#![no_main]

mod c_abi {
    pub mod arguments;
    pub mod calls;
}

use c_abi::calls::Program;
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut program = Program::new();
    let mut u = Unstructured::new(data);
    for _ in 0..40 {
        if program.call(&mut u).is_err() || u.is_empty() {
            break;
        }
    }
    program.end();
});
