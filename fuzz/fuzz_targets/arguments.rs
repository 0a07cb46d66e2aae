//! Any bytes as Execute arguments, written back and read again.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(arguments);
