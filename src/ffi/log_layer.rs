//! An event with the spans that it is in, as C gets it.

use std::ffi::{CString, c_char};
use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::logger;
use super::types::refit_log_record;

/// A rollback that failed, a defect.
pub const REFIT_LOG_ERROR: i32 = 1;
/// A call that failed, a warning of a report.
pub const REFIT_LOG_WARN: i32 = 2;
/// The steps of a recreation, a rollback and a recovery, and what became of them.
pub const REFIT_LOG_INFO: i32 = 3;
/// The end of each long call, and each request to an engine or a registry.
pub const REFIT_LOG_DEBUG: i32 = 4;
/// Everything.
pub const REFIT_LOG_TRACE: i32 = 5;

/// What passes at this level; `None`: it is none.
pub(super) fn filter(level: i32) -> Option<LevelFilter> {
    Some(match level {
        REFIT_LOG_ERROR => LevelFilter::ERROR,
        REFIT_LOG_WARN => LevelFilter::WARN,
        REFIT_LOG_INFO => LevelFilter::INFO,
        REFIT_LOG_DEBUG => LevelFilter::DEBUG,
        REFIT_LOG_TRACE => LevelFilter::TRACE,
        _ => return None,
    })
}

fn number(level: Level) -> i32 {
    match level {
        Level::ERROR => REFIT_LOG_ERROR,
        Level::WARN => REFIT_LOG_WARN,
        Level::INFO => REFIT_LOG_INFO,
        Level::DEBUG => REFIT_LOG_DEBUG,
        Level::TRACE => REFIT_LOG_TRACE,
    }
}

/// An event that goes to the callback.
#[derive(Debug)]
pub(super) struct Event {
    level: i32,
    target: &'static str,
    message: String,
    fields: Map<String, Value>,
}

impl Event {
    pub(super) fn with_record(&self, hand_over: impl FnOnce(*const refit_log_record)) {
        // Escaped by serde_json, and the message has no control characters; a NUL in a name would end it early.
        let text = |text: &str| CString::new(text.replace('\0', " ")).unwrap_or_default();
        let (target, message) = (text(self.target), text(&self.message));
        let fields = text(&serde_json::to_string(&self.fields).unwrap_or_else(|_| "{}".into()));
        let pointer = |text: &CString| -> *const c_char { text.as_ptr() };
        let record = refit_log_record {
            struct_size: size_of::<refit_log_record>(),
            target: pointer(&target),
            message: pointer(&message),
            fields_json: pointer(&fields),
            level: self.level,
            reserved: 0,
        };
        hand_over(&raw const record);
    }
}

/// The fields of a span, kept with it.
struct SpanFields(Map<String, Value>);

/// Hands every event of this crate to the logger, with the name and the fields of its call. What its dependencies have to say is not about a
/// call, and what they write is not refit's to promise.
pub(super) struct LogLayer;

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target == "refit" || target.starts_with("refit::")
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_ours(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_ours(metadata)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanFields(fields.map));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(SpanFields(known)) = span.extensions_mut().get_mut() {
            known.extend(fields.map);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Map::new();
        // From the outermost: the call that the program made is the operation, and an inner span adds what it knows.
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            fields.entry("op").or_insert_with(|| span.name().into());
            if let Some(SpanFields(known)) = span.extensions().get() {
                fields.extend(known.clone());
            }
        }
        let mut own = Fields::default();
        event.record(&mut own);
        fields.extend(own.map);
        let metadata = event.metadata();
        logger::write(&Event { level: number(*metadata.level()), target: metadata.target(), message: own.message, fields });
    }
}

/// Reads fields as JSON.
#[derive(Default)]
struct Fields {
    map: Map<String, Value>,
    message: String,
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            // An event of `err` of `tracing::instrument` has no message.
            ("message" | "error", Value::String(text)) => self.message = text,
            (name, value) => {
                self.map.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }
}
