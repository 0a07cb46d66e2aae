//! The life of the device: events, lines of the input, and executions, one after the other.

use std::{
    io::{self, BufRead, Read},
    path::PathBuf,
    time::Duration,
};

use lwm2m_bootstrap::source::Origin;
use lwm2m_client::Client;
use lwm2m_codec::Path;
use lwm2m_model::{
    Failure,
    objects::{
        ConnectivityStatistics, Device as DeviceObject, FirmwareUpdate, Temperature, TestObject,
        connectivity_statistics, device, firmware_update, temperature, test_object as test_ids,
    },
};
use lwm2m_net::{
    Closed, Counts,
    device::{Device, Event, Events, Operation, SendError, StopError},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    ClientError, accounts,
    executions::{Execution, Requests},
    firmware,
    line::{self, Line, LineError},
    modem::Modem,
    telling::Teller,
    test_object,
    value::{self, ValueError},
};
use crate::{runtime, sim::SimError};

/// How long the device waits for the answers to its De-register.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the numbers of object 7 follow while it collects.
const STATISTICS_PERIOD: Duration = Duration::from_secs(1);
/// Lines that wait while the device is busy.
const MAX_LINES: usize = 16;

/// Says why a command failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("there is no account of a bootstrap server")]
    NoBootstrapAccount,
    #[error(transparent)]
    Sim(#[from] SimError),
    #[error("the device was started without --sim")]
    NoModem,
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Stop(#[from] StopError),
}

/// What follows the answer to an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    Reboot,
    /// The new firmware is in; the device restarts with it.
    Updated,
}

/// A running device with its input and output.
pub(crate) struct Session {
    device: Device,
    teller: Teller,
    data: Option<PathBuf>,
    /// Revision of the accounts in the file.
    saved: Option<u64>,
    /// What was counted when object 7 began to collect.
    collecting: Option<Counts>,
    /// The end of the input is like quit.
    end_with_input: bool,
    /// Where accounts and keys come from, if the device has a SIM.
    modem: Option<Modem>,
    /// When the sources are asked again.
    recheck: Option<Instant>,
}

impl Session {
    pub(crate) const fn new(device: Device, teller: Teller, data: Option<PathBuf>) -> Self {
        Self {
            device,
            teller,
            data,
            saved: None,
            collecting: None,
            end_with_input: false,
            modem: None,
            recheck: None,
        }
    }

    /// Sets whether the end of the input is like quit.
    #[must_use]
    pub(crate) const fn end_with_input(mut self, on: bool) -> Self {
        self.end_with_input = on;
        self
    }

    /// Sets where accounts and keys come from.
    #[must_use]
    pub(crate) fn modem(mut self, modem: Option<Modem>) -> Self {
        self.modem = modem;
        self
    }

    /// Runs until the input or a signal says to quit.
    pub(crate) async fn run(
        mut self,
        mut events: Events,
        mut requests: Requests,
    ) -> Result<(), ClientError> {
        let mut lines = Some(lines());
        let mut statistics = tokio::time::interval(STATISTICS_PERIOD);
        let mut interrupted = std::pin::pin!(runtime::stopped(false));
        let quit = loop {
            self.save().await?;
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::CheckSources { after }) => self.check_sources(after).await?,
                    Some(event) => {
                        if let (Event::BootstrapFailed { .. }, Some(modem)) =
                            (&event, &mut self.modem)
                        {
                            modem.rediscover();
                        }
                        self.happened(&event).await?;
                    }
                    None => return Err(ClientError::Ended(Closed)),
                },
                Some(execution) = requests.recv() => self.execute(execution).await?,
                line = next(&mut lines) => match line {
                    Some(line) => if self.command(&line).await { break Some(line) },
                    None if self.end_with_input => break None,
                    None => lines = None,
                },
                _ = statistics.tick(), if self.collecting.is_some() => self.collect().await?,
                () = time(self.recheck) => {
                    self.recheck = None;
                    self.device.call(Client::check_sources).await?;
                }
                () = &mut interrupted => break None,
            }
        };
        let stopped = self.device.stop(STOP_TIMEOUT).await;
        while let Some(event) = events.next().await {
            self.teller.event(&event);
        }
        match (quit, stopped) {
            (Some(line), stopped) => self.teller.answer(
                line.trim(),
                stopped.map(|()| String::new()).map_err(CommandError::from),
            ),
            (None, Ok(())) => {}
            (None, Err(error)) => tracing::warn!("{error}"),
        }
        Ok(())
    }

    /// Asks SIM, table and DNS for accounts.
    async fn check_sources(&mut self, after: Option<Origin>) -> Result<(), Closed> {
        let Some(modem) = &mut self.modem else {
            return Ok(());
        };
        let answer = modem.search(after, self.teller).await;
        let retry = modem.retry_after(&answer);
        self.recheck = retry.map(|pause| Instant::now() + pause);
        let checked = self
            .device
            .call(move |client, now| client.sources_checked(now, answer));
        checked.await.map(drop)
    }

    /// Puts in another SIM, or takes it out.
    async fn change_sim(&mut self, file: Option<PathBuf>) -> Result<(), CommandError> {
        let modem = self.modem.as_mut().ok_or(CommandError::NoModem)?;
        match file {
            Some(file) => modem.insert(&file, self.teller)?,
            None => modem.remove(self.teller),
        }
        self.device.call(Client::check_sources).await?;
        Ok(())
    }

    /// Does what a line says, and answers it; true for quit, which is answered at the end.
    async fn command(&mut self, text: &str) -> bool {
        let Some(line) = line::parse(text) else {
            return false;
        };
        if line == Ok(Line::Quit) {
            return true;
        }
        let done = match line {
            Ok(line) => self.obey(line).await,
            Err(error) => Err(error.into()),
        };
        self.teller.answer(text.trim(), done);
        false
    }

    async fn obey(&mut self, line: Line) -> Result<String, CommandError> {
        let device = self.device.clone();
        match line {
            Line::Set { path, text } => {
                device
                    .change(move |tree| value::write(tree, path, &text))
                    .await??;
            }
            Line::Get { path } => {
                return Ok(device
                    .call(move |client, _| value::show(client.tree(), path))
                    .await??);
            }
            Line::Send { format, paths } => {
                device.send_as(format, &texts(&paths)).await?;
            }
            Line::Collect { paths } => {
                return Ok(device.collect(&texts(&paths)).await?.to_string());
            }
            Line::SendCollected { format } => device.send_collected(format).await?,
            Line::Update => device.update().await?,
            Line::Bootstrap => {
                if !device.bootstrap().await? {
                    return Err(CommandError::NoBootstrapAccount);
                }
            }
            Line::Sim(file) => self.change_sim(file).await?,
            Line::Quit => {}
        }
        Ok(String::new())
    }

    /// Tells an event, and does what the objects do by themselves.
    async fn happened(&mut self, event: &Event) -> Result<(), ClientError> {
        self.teller.event(event);
        if *event == Event::BootstrapStore {
            return Ok(self.store().await?);
        }
        let Event::Changed {
            path,
            operation: Operation::Write,
            ..
        } = event
        else {
            return Ok(());
        };
        if path.object_id() != Some(firmware::OBJECT) {
            return Ok(());
        }
        let written = path.resource_id();
        self.device
            .change(move |tree| {
                tree.update(0, |object: &mut FirmwareUpdate| match written {
                    Some(firmware_update::ids::PACKAGE) => firmware::package_written(object),
                    Some(firmware_update::ids::PACKAGE_URI) => firmware::uri_written(object),
                    _ => {}
                })
            })
            .await?;
        Ok(())
    }

    /// Does what a server wants to have executed, and answers it.
    async fn execute(&mut self, execution: Execution) -> Result<(), ClientError> {
        let Execution {
            path,
            arguments,
            ticket,
        } = execution;
        let done = match path.object_id() {
            Some(3) => self.execute_device(path).await?,
            Some(firmware::OBJECT) => self.execute_firmware(path).await?,
            Some(7) => self.execute_statistics(path).await?,
            Some(3303) => self.execute_sensor(path).await?,
            Some(3442) => self.execute_test(path, &arguments).await?,
            _ => Err(Failure::not_allowed(path)),
        };
        let (result, then) = match done {
            Ok(then) => (Ok(()), then),
            Err(failure) => (Err(failure), Then::Nothing),
        };
        self.device.answer(ticket, result).await?;
        match then {
            Then::Nothing => return Ok(()),
            Then::Reboot => self.teller.note("reboot", "reboots"),
            Then::Updated => {
                self.teller
                    .note("firmware-updated", "installed the firmware and reboots");
                let updated = |tree: &mut lwm2m_model::Tree| {
                    tree.update(0, firmware::updated);
                };
                self.device.change(updated).await?;
            }
        }
        if let Err(error) = self.device.restart(STOP_TIMEOUT).await {
            tracing::warn!("{error}");
        }
        Ok(())
    }

    async fn execute_device(&self, path: Path) -> Result<Result<Then, Failure>, Closed> {
        if path.resource_id() == Some(device::ids::REBOOT) {
            return Ok(Ok(Then::Reboot));
        }
        let reset = |object: &mut DeviceObject| object.error_code = [(0, 0)].into();
        self.device
            .change(move |tree| tree.update(0, reset))
            .await?;
        Ok(Ok(Then::Nothing))
    }

    async fn execute_firmware(&self, path: Path) -> Result<Result<Then, Failure>, Closed> {
        let update = path.resource_id() == Some(firmware_update::ids::UPDATE);
        let done = self.device.change(move |tree| {
            tree.update(0, |object: &mut FirmwareUpdate| match update {
                true => firmware::update(object, path).map(|()| Then::Updated),
                false => firmware::cancel(object, path).map(|()| Then::Nothing),
            })
        });
        Ok(done.await?.unwrap_or_else(|| Err(Failure::not_found(path))))
    }

    async fn execute_statistics(&mut self, path: Path) -> Result<Result<Then, Failure>, Closed> {
        if path.resource_id() == Some(connectivity_statistics::ids::START) {
            self.collecting = Some(self.device.counts());
        }
        self.collect().await?;
        if path.resource_id() == Some(connectivity_statistics::ids::STOP) {
            self.collecting = None;
        }
        Ok(Ok(Then::Nothing))
    }

    /// Brings the numbers of object 7 up to date.
    async fn collect(&self) -> Result<(), Closed> {
        let Some(start) = self.collecting else {
            return Ok(());
        };
        let now = self.device.counts();
        let (sent, received) = (
            now.bytes_sent - start.bytes_sent,
            now.bytes_received - start.bytes_received,
        );
        let messages = (now.sent - start.sent) + (now.received - start.received);
        let number = |count: u64| Some(count.cast_signed());
        self.device
            .change(move |tree| {
                tree.update(0, |object: &mut ConnectivityStatistics| {
                    object.tx_data = number(sent / 1000);
                    object.rx_data = number(received / 1000);
                    let average = (sent + received).checked_div(messages);
                    object.average_message_size = number(average.unwrap_or(0));
                })
            })
            .await?;
        Ok(())
    }

    async fn execute_sensor(&self, path: Path) -> Result<Result<Then, Failure>, Closed> {
        debug_assert_eq!(
            path.resource_id(),
            Some(temperature::ids::RESET_MIN_AND_MAX_MEASURED_VALUES)
        );
        let instance = path.instance_id().unwrap_or_default();
        let reset = |sensor: &mut Temperature| {
            sensor.min_measured_value = Some(sensor.sensor_value);
            sensor.max_measured_value = Some(sensor.sensor_value);
        };
        self.device
            .change(move |tree| tree.update(instance, reset))
            .await?;
        Ok(Ok(Then::Nothing))
    }

    async fn execute_test(
        &self,
        path: Path,
        arguments: &[u8],
    ) -> Result<Result<Then, Failure>, Closed> {
        let instance = path.instance_id().unwrap_or_default();
        let resource = path.resource_id();
        if resource == Some(test_ids::ids::SEND_DATA) {
            return self.send_test_data(path, instance).await;
        }
        let mut random = [0; 16];
        if getrandom::fill(&mut random).is_err() {
            return Ok(Err(Failure::bad_request(
                path,
                "the system has no randomness",
            )));
        }
        let list = test_object::arguments_list(arguments);
        let change = move |object: &mut TestObject| match resource {
            Some(test_ids::ids::RESET_VALUES) => *object = test_object::initial(),
            Some(test_ids::ids::RANDOMIZE_VALUES) => *object = test_object::random(random),
            Some(test_ids::ids::CLEAR_VALUES) => *object = test_object::cleared(),
            _ => object.arguments_list = list,
        };
        self.device
            .change(move |tree| tree.update(instance, change))
            .await?;
        Ok(Ok(Then::Nothing))
    }

    async fn send_test_data(
        &self,
        path: Path,
        instance: u16,
    ) -> Result<Result<Then, Failure>, Closed> {
        let object = self.device.get::<TestObject>(instance).await;
        let paths: Vec<String> = match object {
            Ok(object) => object.resources_to_send.into_values().collect(),
            Err(_) => return Ok(Err(Failure::not_found(path))),
        };
        match self.device.send(&paths).await {
            Ok(()) => Ok(Ok(Then::Nothing)),
            Err(SendError::Closed(closed)) => Err(closed),
            Err(error) => Ok(Err(Failure::bad_request(path, error.to_string()))),
        }
    }

    /// Writes what a bootstrap is about to leave, and says whether that worked: only then the
    /// bootstrap server hears that the device has it.
    async fn store(&mut self) -> Result<(), Closed> {
        let Some(file) = self.data.clone() else {
            return Ok(());
        };
        let pack = self
            .device
            .call(|client, _| accounts::encode(client.tree()));
        let saved = pack.await?.and_then(|pack| accounts::save(&file, &pack));
        if let Err(error) = &saved {
            tracing::error!("the bootstrap is undone: {error}");
        }
        let stored = saved.is_ok();
        let awaited = self
            .device
            .call(move |client, now| client.accounts_stored(now, stored));
        if !awaited.await? {
            // The bootstrap ended meanwhile: the accounts in use are to be written again.
            self.saved = None;
        }
        Ok(())
    }

    /// Writes the accounts to the file if they are not what it holds.
    async fn save(&mut self) -> Result<(), Closed> {
        let Some(file) = &self.data else {
            return Ok(());
        };
        let saved = self.saved;
        let changed = self.device.call(move |client, _| {
            let tree = client.tree();
            let revision = accounts::revision(tree).filter(|now| saved != Some(*now))?;
            Some((revision, accounts::encode(tree)))
        });
        let Some((revision, pack)) = changed.await? else {
            return Ok(());
        };
        // Also after an error: it is told once for each change.
        self.saved = Some(revision);
        if let Err(error) = pack.and_then(|pack| accounts::save(file, &pack)) {
            tracing::warn!("{error}");
        }
        Ok(())
    }
}

/// Reads the standard input on a thread of its own, which a runtime that ends need not wait for.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(MAX_LINES);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut bytes = Vec::new();
            match input
                .by_ref()
                .take(line::MAX_LINE)
                .read_until(b'\n', &mut bytes)
            {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if sender.blocking_send(text).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

/// Waits for a time; for ever if there is none.
async fn time(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The next line; never comes when the input has ended.
async fn next(lines: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

fn texts(paths: &[Path]) -> Vec<String> {
    paths.iter().map(Path::to_string).collect()
}
