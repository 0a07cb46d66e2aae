//! Any text as notification attributes, one query and many.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(attributes);
