//! Makes Rust of the definitions in `objects`.

fn main() -> Result<(), lwm2m_build::CompileError> {
    lwm2m_build::Config::new().compile(&["objects"])?;
    Ok(())
}
