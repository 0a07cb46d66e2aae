//! Any text as a path.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(path);
