//! Any sequence of calls of the writer of links.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(link_writer);
