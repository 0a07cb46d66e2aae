//! Any bytes as one opaque value.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(opaque);
