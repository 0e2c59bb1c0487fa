#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| stackgate_fuzz::targets::image::run(input));
libfuzzer_sys::fuzz_mutator!(|input: &mut [u8], size: usize, max: usize, seed: u32| {
    stackgate_fuzz::mutate::mutate(input, size, max, seed)
});
