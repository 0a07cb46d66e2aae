//! What the codec costs on a microcontroller: code and constants of a program that decodes any
//! format, and of one that encodes it, for a Cortex-M4.

use std::collections::BTreeMap;
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
const PROGRAMS: [(&str, &str); 7] = [
    ("nothing", "input.len()"),
    (DECODED, "decode(ContentFormat(input.len() as u16), input)"),
    (
        ENCODED,
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
const DECODED: &str = "any payload format, decoded";
const ENCODED: &str = "any payload format, encoded";

/// Builds the programs and writes the table.
pub(crate) fn run(context: &Context) -> Result<Done, Failure> {
    let tools = match tools(context) {
        Ok(tools) => tools,
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
    let mut programs = String::from("| program | bytes |\n|---|--:|\n");
    let mut parts: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    let mut nothing = None;
    for (index, (name, _)) in PROGRAMS.iter().enumerate() {
        let binary = project.join(format!("target/{TARGET}/release/p{index}"));
        let listing = capture(program(context, tools.join("llvm-size"), &["-A"]).arg(&binary))?;
        let bytes = flash(&listing).ok_or(Failure(format!("no sections:\n{listing}")))?;
        let nothing = *nothing.get_or_insert(bytes);
        // Nothing can go wrong with a String.
        let _ = writeln!(programs, "| {name} | {} |", bytes.saturating_sub(nothing));
        let Some(column) = [DECODED, ENCODED].iter().position(|other| other == name) else {
            continue;
        };
        let mut symbols = program(context, tools.join("llvm-nm"), &["-S", "-C"]);
        for (part, bytes) in capture(symbols.arg(&binary))?.lines().filter_map(symbol) {
            parts.entry(part).or_default()[column] += bytes;
        }
    }
    let mut table = String::from("| part | when decoding | when encoding |\n|---|--:|--:|\n");
    for (part, [decoding, encoding]) in parts {
        let _ = writeln!(table, "| {part} | {decoding} | {encoding} |");
    }
    println!("{programs}\n{}", table.trim_end());
    let text = document(&programs, &table);
    fs::write(context.root.join(DOCUMENT), text)
        .map_err(|error| Failure(format!("{DOCUMENT}: {error}")))?;
    Ok(Done::CheckedWith(format!("wrote {DOCUMENT}")))
}

/// The part of the code that a symbol of `llvm-nm -S -C` belongs to, and its size: a line is
/// `0002a312 00000106 t lwm2m_codec::name::ids_below::h3a22`.
fn symbol(line: &str) -> Option<(String, u64)> {
    let mut words = line.splitn(4, ' ');
    let (_, size, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let size = u64::from_str_radix(size, 16).ok()?;
    // The program's own function does what the caller of the codec does.
    if !matches!(kind, "t" | "T" | "r" | "R") || name == "_start" {
        return None;
    }
    let name = name.replace("..", "::");
    let Some((_, path)) = name.split_once("lwm2m_codec::") else {
        let is_constant = name.starts_with(".L");
        return Some((if is_constant { "constants" } else { "core" }.into(), size));
    };
    let mut modules = path.split("::").take_while(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase()) && !word.contains(['<', '$', ' '])
    });
    let first = modules.next().unwrap_or("other");
    let part = match (first, modules.next()) {
        ("senml", Some(format @ ("cbor" | "json"))) => format!("`senml::{format}`"),
        _ => format!("`{first}`"),
    };
    Some((part, size))
}

/// Fetches the target and finds the folder of LLVM's tools.
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
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(Failure(format!("{} is missing", folder.display()))),
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

fn document(programs: &str, parts: &str) -> String {
    format!(
        "# Size on a microcontroller\n\n\
         `cargo xtask size` writes these tables. Each program is built for {TARGET} (no FPU) without\n\
         std, with `opt-level = \"s\"`, `lto = \"fat\"` and `panic = \"abort\"`, and links nothing but the\n\
         codec and core. Its size is that of all code and constants, less that of a program which\n\
         does nothing. Decoders look at every record and its value; encoders write one record of\n\
         each type.\n\n{programs}\n\
         The codec needs no memory of its own and no allocator: its state lies on the caller's stack.\n\n\
         All decoders are behind one type, and so are all encoders: a program that names one format\n\
         still carries the others, because the compiler can't see that they are never chosen. What\n\
         each has for itself is in the next table; `cbor`, `json`, `name`, `number`, `raw` and `senml`\n\
         are shared by the formats whose names say so. `core` holds the conversions of floating point\n\
         numbers and, without an FPU, their arithmetic.\n\n{parts}"
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

    #[test]
    fn a_symbol_belongs_to_the_module_that_it_names() {
        for (name, part) in [
            ("lwm2m_codec::senml::cbor::field::hb4", "`senml::cbor`"),
            ("lwm2m_codec::senml::Pack::odd_name::h2", "`senml`"),
            (
                "_$LT$lwm2m_codec..text..Chars$u20$as$u20$core::iter",
                "`text`",
            ),
            ("core::num::dec2flt::table", "core"),
            (".Lanon.cc5f.211", "constants"),
        ] {
            let line = format!("0002a312 00000106 t {name}");
            assert_eq!(symbol(&line), Some((part.to_owned(), 0x106)), "{name}");
        }
        assert_eq!(symbol("00023558 00000fa8 T _start"), None);
        assert_eq!(symbol("00023558 t $t.1"), None);
    }
}
