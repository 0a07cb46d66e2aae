//! Any bytes as a list of links, written back and read again.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(link);
