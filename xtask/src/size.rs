//! What the codec costs on a microcontroller: code and constants of a program that decodes one
//! format, and of one that encodes it, for a Cortex-M4.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{self, capture, cargo, program};
use crate::step::{Context, Done, Failure};
use crate::tools;

const DOCUMENT: &str = "docs/size.md";
const TARGET: &str = "thumbv7em-none-eabi";

/// The program; `WORK` stands for what it does with `INPUT` and `BUFFER`.
const PROGRAM: &str = include_str!("size/program.rs.in");

/// Name and work of each program; the first one is what the others have in common.
const PROGRAMS: [(&str, &str); 17] = [
    ("nothing", "input.len()"),
    ("text, decoded", "decode(ContentFormat::TEXT, input)"),
    ("opaque, decoded", "decode(ContentFormat::OPAQUE, input)"),
    ("CBOR, decoded", "decode(ContentFormat::CBOR, input)"),
    ("TLV, decoded", "decode(ContentFormat::TLV, input)"),
    (
        "OMA JSON, decoded",
        "decode(ContentFormat::OMA_JSON, input)",
    ),
    (
        "SenML JSON, decoded",
        "decode(ContentFormat::SENML_JSON, input)",
    ),
    (
        "SenML CBOR, decoded",
        "decode(ContentFormat::SENML_CBOR, input)",
    ),
    (
        "LwM2M CBOR, decoded",
        "decode(ContentFormat::LWM2M_CBOR, input)",
    ),
    (
        "any format, decoded",
        "decode(ContentFormat(input.len() as u16), input)",
    ),
    ("TLV, encoded", "encode(ContentFormat::TLV, buffer)"),
    (
        "SenML CBOR, encoded",
        "encode(ContentFormat::SENML_CBOR, buffer)",
    ),
    (
        "any format, encoded",
        "encode(ContentFormat(buffer.len() as u16), buffer)",
    ),
    (
        "links, read",
        "Links::new(input).filter_map(Result::ok).filter_map(|l| l.path()).count()",
    ),
    (
        "Execute arguments, read",
        "Arguments::parse(input).map_or(0, |a| a.iter().count())",
    ),
    (
        "CoAP message over UDP, read",
        "Message::parse(input).map_or(0, |m| m.options().count())",
    ),
    (
        "CoAP message over TCP, read",
        "TcpMessage::parse(input).map_or(0, |m| m.options().count())",
    ),
];

/// Builds the programs and writes the table.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    let size = match tools(context) {
        Ok(size) => size,
        Err(failure) => return tools::without(context, TARGET, failure),
    };
    let project = context.target().join("size");
    write_project(context, &project)?;
    let mut build = cargo(
        context,
        &["build", "--quiet", "--release", "--target", TARGET],
    );
    build.current_dir(&project);
    build.env("CARGO_TARGET_DIR", project.join("target"));
    command::run(context, &mut build)?;
    let mut table =
        String::from("| program | bytes of flash | of which for the work |\n|---|---|---|\n");
    let mut nothing = None;
    for (index, (name, _)) in PROGRAMS.iter().enumerate() {
        let binary = project.join(format!("target/{TARGET}/release/p{index}"));
        let listing = capture(program(context, &size, &["-A"]).arg(binary))?;
        let bytes = flash(&listing).ok_or(Failure(format!("no sections:\n{listing}")))?;
        let nothing = *nothing.get_or_insert(bytes);
        // Nothing can go wrong with a String.
        let _ = writeln!(
            table,
            "| {name} | {bytes} | {} |",
            bytes.saturating_sub(nothing)
        );
    }
    println!("{}", table.trim_end());
    let text = document(&table);
    fs::write(context.root.join(DOCUMENT), text)
        .map_err(|error| Failure(format!("{DOCUMENT}: {error}")))?;
    Ok(Done::CheckedWith(format!("wrote {DOCUMENT}")))
}

/// Fetches the target and finds llvm-size.
fn tools(context: &Context) -> Result<PathBuf, Failure> {
    capture(&mut program(context, "rustup", &["target", "add", TARGET]))?;
    capture(&mut program(
        context,
        "rustup",
        &["component", "add", "llvm-tools"],
    ))?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries = capture(&mut program(context, rustc, &["--print", "target-libdir"]))?;
    let folder = Path::new(libraries.trim()).with_file_name("bin");
    let size = folder.join(format!("llvm-size{}", std::env::consts::EXE_SUFFIX));
    match size.exists() {
        true => Ok(size),
        false => Err(Failure(format!("{} is missing", size.display()))),
    }
}

fn write_project(context: &Context, project: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure(format!("{}: {error}", project.display()));
    fs::create_dir_all(project.join("src")).map_err(failed)?;
    let mut manifest = format!(
        "[package]\nname = \"size\"\nedition = \"2024\"\n\n[dependencies]\nlwm2m-codec = {{ path = {:?}, default-features = false }}\n\n[profile.release]\nopt-level = \"s\"\nlto = \"fat\"\ncodegen-units = 1\npanic = \"abort\"\n\n[workspace]\n",
        context.root.join("lwm2m-codec").display().to_string()
    );
    for (index, (_, work)) in PROGRAMS.iter().enumerate() {
        let file = format!("src/p{index}.rs");
        let _ = write!(
            manifest,
            "\n[[bin]]\nname = \"p{index}\"\npath = \"{file}\"\n"
        );
        fs::write(project.join(file), PROGRAM.replace("WORK", work)).map_err(failed)?;
    }
    fs::write(project.join("Cargo.toml"), manifest).map_err(failed)
}

/// Adds up code and constants in the listing of `llvm-size -A`, where a line is
/// `.text   1234   65536`.
fn flash(listing: &str) -> Option<u64> {
    let sizes = listing.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let is_flash = [".text", ".rodata", ".data"]
            .iter()
            .any(|s| name.starts_with(s));
        is_flash
            .then(|| words.next()?.parse::<u64>().ok())
            .flatten()
    });
    let sizes: Vec<u64> = sizes.collect();
    (!sizes.is_empty()).then(|| sizes.iter().sum())
}

fn document(table: &str) -> String {
    format!(
        "# Size on a microcontroller\n\n\
         `cargo xtask size` writes this table. Each program is built for {TARGET} without std, with\n\
         `opt-level = \"s\"`, `lto = \"fat\"` and `panic = \"abort\"`, and links nothing but the codec and\n\
         core. Its size is that of all code and constants. Decoders look at every record and its\n\
         value; encoders write one record of each type.\n\n{table}\n\
         The codec needs no memory of its own and no allocator: its state lies on the stack of the\n\
         caller. All decoders are behind one type, [`Decoder`](../lwm2m-codec/src/decoder.rs); a\n\
         program that names one format at compile time carries the others only as far as the\n\
         compiler can't see that they are not used.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_constants_are_added_up() {
        let listing = "p0  :\nsection  size  addr\n.rodata  100  65536\n.text  1000  65636\n\
                       .ARM.exidx  16  66636\n.debug_str  9999  0\nTotal  11115\n";
        assert_eq!(flash(listing), Some(1100));
        assert_eq!(flash("nothing"), None);
    }
}
