//! `lwm2m objects`: what is known of objects, what is wrong with definitions, Rust code of them.

mod lint;
mod show;

use std::path::PathBuf;

use clap::Subcommand;
use lwm2m_build::Config;
use lwm2m_codec::Version;
use lwm2m_model::Registry;
use serde_json::json;

use crate::{definitions, failure::Failure, output::Output};

/// Lists, shows and checks object definitions, and generates Rust code of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Lint(lint::Args),
    /// Lists the objects that are known: the core ones, and those of folders.
    List {
        #[command(flatten)]
        source: Source,
        /// All versions of each object instead of the latest one.
        #[arg(long)]
        versions: bool,
    },
    /// Shows an object with its resources.
    Show {
        /// Object ID, such as 3303.
        #[arg(value_name = "ID")]
        object: u16,
        /// Version, such as 1.1 [default: the latest one].
        #[arg(long = "object-version", value_name = "VERSION")]
        version: Option<Version>,
        #[command(flatten)]
        source: Source,
    },
    /// Generates Rust code: a module for each object and version, and a mod.rs that lists them.
    ///
    /// The code needs the crate lwm2m-model.
    Generate {
        /// Files and folders of definitions.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Folder to write to; files that are what they would be are left alone.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Only the latest version of each object.
        #[arg(long)]
        latest: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Where definitions come from.
#[derive(Debug, clap::Args)]
struct Source {
    /// Folder of object definitions (OMA XML); may come several times.
    #[arg(long, value_name = "DIR")]
    objects: Vec<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Source {
    fn registry(&self) -> Result<Registry, Failure> {
        definitions::load(&self.objects)
    }
}

/// Runs a command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Lint(args) => lint::run(&args),
        Command::List { source, versions } => {
            show::list(&source.registry()?, versions, Output::new(source.json));
            Ok(())
        }
        Command::Show {
            object,
            version,
            source,
        } => show::show(
            &source.registry()?,
            object,
            version,
            Output::new(source.json),
        ),
        Command::Generate {
            paths,
            out,
            latest,
            json,
        } => generate(&paths, out, latest, Output::new(json)),
    }
}

fn generate(paths: &[PathBuf], out: PathBuf, latest: bool, output: Output) -> Result<(), Failure> {
    let config = Config::new().latest_only(latest).out_dir(&out);
    let written = config.compile(paths).map_err(Failure::usage)?;
    let names: Vec<String> = written
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let text = match names.as_slice() {
        [] => format!("{} is up to date", out.display()),
        names => format!("wrote {} files to {}", names.len(), out.display()),
    };
    output.line(text, &json!({ "written": names }));
    Ok(())
}
