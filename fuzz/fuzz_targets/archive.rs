#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| stackgate_fuzz::targets::archive::run(input));
