//! The steps of the demonstration, in order.

mod bootstrap;
mod managing;
mod observing;
mod reading;
mod registration;
mod writing;

use super::run::{Failed, Runner};

/// Walks through everything.
pub(crate) async fn all(runner: &mut Runner) -> Result<(), Failed> {
    bootstrap::steps(runner).await?;
    registration::register(runner).await?;
    reading::steps(runner).await?;
    writing::steps(runner).await?;
    managing::steps(runner).await?;
    observing::steps(runner).await?;
    registration::steps(runner).await
}
