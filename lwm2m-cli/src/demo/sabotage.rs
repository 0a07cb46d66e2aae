//! What the tests of the demonstration break on purpose, to see that it notices.

use std::str::FromStr;

/// A way to break the demonstration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// `kill=PROCESS@OPERATION`: kills a process when the operation is about to begin.
    Kill { process: String, operation: String },
    /// `wrong-key=PROCESS`: the device gets a wrong key for a server.
    WrongKey { process: String },
    /// `alter=OPERATION`: alters a value in the answer to the operation.
    Alter { operation: String },
}

impl FromStr for Sabotage {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const USAGE: &str = "expected kill=PROCESS@OPERATION, wrong-key=PROCESS or alter=OPERATION";
        let (kind, rest) = text.split_once('=').ok_or(USAGE)?;
        Ok(match kind {
            "kill" => {
                let (process, operation) = rest.split_once('@').ok_or(USAGE)?;
                Self::Kill {
                    process: process.into(),
                    operation: operation.into(),
                }
            }
            "wrong-key" => Self::WrongKey {
                process: rest.into(),
            },
            "alter" => Self::Alter {
                operation: rest.into(),
            },
            _ => return Err(USAGE),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read() {
        assert_eq!(
            "kill=server@Read".parse(),
            Ok(Sabotage::Kill {
                process: "server".into(),
                operation: "Read".into()
            })
        );
        assert_eq!(
            "wrong-key=server".parse(),
            Ok(Sabotage::WrongKey {
                process: "server".into()
            })
        );
        assert_eq!(
            "alter=Read".parse(),
            Ok(Sabotage::Alter {
                operation: "Read".into()
            })
        );
        assert!("kill=server".parse::<Sabotage>().is_err());
        assert!("burn=all".parse::<Sabotage>().is_err());
    }
}
