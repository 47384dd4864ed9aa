//! What a line looks like: as `tracing_subscriber`'s own format writes it without colours, at less than half its price,
//! because that makes each field pass through the machinery for styled text. Control characters are escaped in all values.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Debug, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, time};
use tracing_subscriber::registry::LookupSpan;

/// `2026-01-31T12:00:00.000000Z  INFO span{name="value"}: target: message name="value"`
pub(super) struct Plain {
    /// Whether it begins with the time.
    pub(super) timed: bool,
}

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.timed {
            write_now(&mut writer)?;
        }
        writer.write_str(match *event.metadata().level() {
            Level::TRACE => " TRACE ",
            Level::DEBUG => " DEBUG ",
            Level::INFO => "  INFO ",
            Level::WARN => "  WARN ",
            Level::ERROR => " ERROR ",
        })?;
        if let Some(scope) = ctx.event_scope() {
            for span in scope.from_root() {
                writer.write_str(span.name())?;
                let extensions = span.extensions();
                if let Some(fields) = extensions.get::<FormattedFields<N>>().filter(|fields| !fields.is_empty()) {
                    write!(writer, "{{{fields}}}")?;
                }
                writer.write_str(":")?;
            }
            writer.write_str(" ")?;
        }
        writer.write_str(event.metadata().target())?;
        writer.write_str(":")?;
        let mut fields = Fields { out: &mut writer, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        writer.write_str("\n")
    }
}

/// The time in UTC. Its seconds are worked out once for each of them.
fn write_now(out: &mut Writer<'_>) -> fmt::Result {
    thread_local! {
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let read_clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut now = read_clock();
    SECOND.with_borrow_mut(|(second, text)| {
        // The text is of a clock read in between, so both times have to be of one second.
        while *second != now.as_secs() || text.is_empty() {
            let before = now.as_secs();
            text.clear();
            time::SystemTime.format_time(&mut Writer::new(text))?;
            let whole = text.find('.').unwrap_or(text.len());
            text.truncate(whole);
            now = read_clock();
            *second = before;
        }
        out.write_str(text)
    })?;
    let mut digits = *b".000000Z";
    let mut rest = now.subsec_micros();
    for digit in digits[1..7].iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    out.write_str(std::str::from_utf8(&digits).unwrap_or_default())
}

struct Fields<'w, 'a> {
    out: &'w mut Writer<'a>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let mut write = || {
            self.out.write_str(" ")?;
            if field.name() != "message" {
                self.out.write_str(field.name())?;
                self.out.write_str("=")?;
            }
            Ok(())
        };
        self.result = self.result.and_then(|()| write()).and_then(|()| value(self.out));
    }
}

/// Passes text on with its control characters escaped: a line stays a line, and nothing in it commands a terminal.
struct Escaping<'w, 'a>(&'w mut Writer<'a>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (plain, control) = rest.split_at(at);
            self.0.write_str(plain)?;
            let Some(first) = control.chars().next() else { break };
            write!(self.0, "{}", first.escape_debug())?;
            rest = &control[first.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, text: &str) {
        let is_plain = |byte: u8| (byte == b' ' || byte.is_ascii_graphic()) && byte != b'"' && byte != b'\\';
        self.write(field, |out| match field.name() {
            "message" => Escaping(out).write_str(text),
            // What `Debug` writes of it.
            _ if text.bytes().all(is_plain) => {
                out.write_str("\"")?;
                out.write_str(text)?;
                out.write_str("\"")
            }
            _ => write!(out, "{text:?}"),
        });
    }

    fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        self.write(field, |out| {
            let mut out = Escaping(out);
            write!(out, "{error}")?;
            let mut cause = error.source();
            while let Some(error) = cause {
                write!(out, ": {error}")?;
                cause = error.source();
            }
            Ok(())
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, |out| write!(out, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, |out| write!(out, "{value:?}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, |out| write!(Escaping(out), "{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt;
    use tracing_subscriber::prelude::*;

    use super::Plain;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        /// The lines without their times, whose form is checked.
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let split = text.lines().map(|line| line.split_at("2026-01-31T12:00:00.000000Z".len()));
            split
                .map(|(time, rest)| {
                    let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                    assert_eq!(form, "0000-00-00T00:00:00.000000Z");
                    rest.to_owned()
                })
                .collect()
        }
    }

    #[test]
    fn lines_are_those_of_the_format_that_it_stands_in_for() {
        let (ours, theirs) = (Log::default(), Log::default());
        let (our, their) = (ours.clone(), theirs.clone());
        let subscriber = tracing_subscriber::registry()
            .with(fmt::layer().event_format(Plain { timed: true }).with_ansi(false).with_writer(move || our.clone()))
            .with(fmt::layer().with_ansi(false).with_writer(move || their.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let (nothing, something) = (None::<&str>, Some("a\nb \"c\" \\ é"));
            tracing::info!(text = "plain", nothing, something, number = -7, ratio = 0.25, yes = true, "a message");
            tracing::error!(shown = %"as it is", debug = ?vec![1, 2], "with {}", "arguments");
            tracing::warn!("nothing else");
            tracing::debug!(only = "fields");
            let outer = tracing::info_span!("outer", id = "x", empty = tracing::field::Empty);
            outer.in_scope(|| {
                tracing::info!("inside");
                tracing::info_span!("inner").in_scope(|| tracing::trace!(deep = 1u64));
            });
        });
        assert_eq!(ours.lines(), theirs.lines());
        assert_eq!(ours.lines().len(), 6);
    }

    #[test]
    fn nothing_breaks_a_line_or_commands_a_terminal() {
        let log = Log::default();
        let out = log.clone();
        let layer = fmt::layer().event_format(Plain { timed: true }).with_ansi(false).with_writer(move || out.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(shown = %"a\nb", text = "c\rd", "\u{1b}[31mred\u{9b}2J");
        });
        let target = "stonescriptdb_gateway::logging::plain::tests";
        let expected = format!("  WARN {target}: \\u{{1b}}[31mred\\u{{9b}}2J shown=a\\nb text=\"c\\rd\"");
        assert_eq!(log.lines(), [expected]);
    }
}
