//! Any bytes as a CoAP message: what parses is written back as the same bytes.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| lwm2m_fuzz::coap_message(data));

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    lwm2m_fuzz::replay_arguments(lwm2m_fuzz::coap_message)
}
