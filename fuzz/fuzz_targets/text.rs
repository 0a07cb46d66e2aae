//! Any bytes as one text value.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(text);
