//! Any tree of values, which is the same through every format and layout.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(tree);
