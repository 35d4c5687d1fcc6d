//! Writes TensorBoard's event files: records framed as in TensorFlow, with messages of `event.proto` and `summary.proto`.
//!
//! The structs hold the fields that are written, under the field numbers of the public `.proto` files.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use super::event::{RunEvent, Samples, Step, Validation};
use super::picture::Picture;
use crate::error::{Context, Result};

/// `tensorflow.Event`.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// Steps done.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// Set in the first event of a file.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// Figures.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
    /// Marks where a run begins or continues: readers drop what an earlier file has from that step on.
    #[prost(message, optional, tag = "7")]
    pub session_log: Option<SessionLog>,
}

/// `tensorflow.SessionLog`.
#[derive(Clone, PartialEq, Message)]
pub struct SessionLog {
    /// 1: start.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// Figures.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<SummaryValue>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
pub struct SummaryValue {
    /// Name; a slash makes groups.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// A scalar.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
    /// A picture.
    #[prost(message, optional, tag = "4")]
    pub image: Option<SummaryImage>,
}

/// `tensorflow.Summary.Image`.
#[derive(Clone, PartialEq, Message)]
pub struct SummaryImage {
    /// Height in pixels.
    #[prost(int32, tag = "1")]
    pub height: i32,
    /// Width in pixels.
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// 3: RGB.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// A PNG file.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}

/// The checksum of a record's part: CRC-32C, rotated and shifted so that a checksum of a checksum is not trivial.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A framed record: length, its checksum, data, its checksum; all little-endian.
fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// The event file of one process of a run.
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// Starts a file in `run`. A file that continues after `step` makes readers drop what earlier files say about later steps.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(run: &Path, step: usize) -> Result<Self> {
        let secs = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        // Readers take the files of a folder in the order of their names.
        let mut attempt = 0u32;
        let file = loop {
            let path = run.join(format!("events.out.tfevents.{secs:010}.raremap.{attempt:03}"));
            match File::create_new(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => attempt += 1,
                other => break other.with_context(|| format!("cannot write {}", path.display()))?,
            }
        };
        let mut events = Self { file };
        events.write(&Event {
            file_version: Some("brain.Event:2".to_owned()),
            ..Event::default()
        })?;
        if step > 0 {
            events.write(&Event {
                // The steps after the one from which it continues are done again.
                step: step as i64 + 1,
                session_log: Some(SessionLog { status: 1 }),
                ..Event::default()
            })?;
        }
        Ok(events)
    }

    fn write(&mut self, event: &Event) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let event = Event {
            wall_time: now.as_secs_f64(),
            ..event.clone()
        };
        self.file
            .write_all(&frame(&event.encode_to_vec()))
            .context("cannot write TensorBoard's event file")
    }

    fn summary(&mut self, step: usize, value: Vec<SummaryValue>) -> Result<()> {
        self.write(&Event {
            step: step as i64,
            summary: Some(Summary { value }),
            ..Event::default()
        })
    }

    /// Writes what TensorBoard can show of an event; `run` is where a sample's pictures are.
    ///
    /// # Errors
    /// If the file cannot be written, or if a picture cannot be read.
    pub fn record(&mut self, run: &Path, event: &RunEvent) -> Result<()> {
        match event {
            RunEvent::Step(step) => self.summary(step.step, step_scalars(step)),
            RunEvent::Validation(validation) => self.summary(validation.step, validation_scalars(validation)),
            RunEvent::SaliencyRefresh(refresh) => {
                self.summary(refresh.step, vec![scalar("time/saliency_refresh_secs", refresh.secs)])
            }
            RunEvent::Samples(samples) => self.summary(samples.step, sample_images(run, samples)?),
            _ => Ok(()),
        }
    }
}

fn scalar(tag: impl Into<String>, value: f64) -> SummaryValue {
    SummaryValue {
        tag: tag.into(),
        simple_value: Some(value as f32),
        image: None,
    }
}

fn step_scalars(step: &Step) -> Vec<SummaryValue> {
    let mut values = vec![
        scalar("loss/total", step.loss),
        scalar("loss/main", step.loss_main),
        scalar("learning_rate", step.learning_rate),
        scalar("time/step_secs", step.secs),
        scalar("time/data_wait_secs", step.data_wait_secs),
    ];
    values.extend(step.loss_auxiliary.map(|loss| scalar("loss/auxiliary", loss)));
    values.extend(step.gradient_norm.map(|norm| scalar("gradient_norm", norm)));
    values.extend(
        step.terms
            .iter()
            .map(|(name, value)| scalar(format!("loss_terms/{name}"), *value)),
    );
    values
}

fn validation_scalars(validation: &Validation) -> Vec<SummaryValue> {
    let means = [
        ("validation/mean_iou", validation.mean_iou),
        ("validation/mean_iou_without_absent", validation.mean_iou_without_absent),
    ];
    let means = means.into_iter().filter_map(|(tag, value)| Some(scalar(tag, value?)));
    let mut values: Vec<SummaryValue> = means.collect();
    let rare_recall = validation.rare_mean(|class| class.recall);
    values.extend(rare_recall.map(|value| scalar("validation/rare_recall", value)));
    for class in &validation.classes {
        for (figure, value) in [
            ("iou", class.iou),
            ("recall", class.recall),
            ("precision", class.precision),
        ] {
            values.extend(value.map(|value| scalar(format!("{figure}/{}", class.name), value)));
        }
    }
    for class in &validation.auxiliary {
        for (figure, value) in [
            ("recall", class.recall),
            ("precision", class.precision),
            ("average_precision", class.average_precision),
            ("mean_probability", class.mean_probability),
        ] {
            values.extend(value.map(|value| scalar(format!("auxiliary_{figure}/{}", class.name), value)));
        }
    }
    values
}

fn sample_images(run: &Path, samples: &Samples) -> Result<Vec<SummaryValue>> {
    let mut values = Vec::new();
    for sample in &samples.samples {
        let files = [
            ("input", Some(&sample.input)),
            ("label", Some(&sample.label)),
            ("prediction", Some(&sample.prediction)),
            ("saliency", sample.saliency.as_ref()),
        ];
        for (kind, file) in files {
            let Some(file) = file else { continue };
            let path = run.join(file);
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let (width, height) = Picture::size_of_png(&bytes).with_context(|| path.display().to_string())?;
            values.push(SummaryValue {
                tag: format!("samples/{}/{kind}", sample.name),
                simple_value: None,
                image: Some(SummaryImage {
                    // The sides of a PNG file fit into 31 bits.
                    height: i32::try_from(height).unwrap_or(i32::MAX),
                    width: i32::try_from(width).unwrap_or(i32::MAX),
                    colorspace: 3,
                    encoded_image_string: bytes,
                }),
            });
        }
    }
    Ok(values)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::watch::event::{ClassScore, SampleFiles};

    /// All events of a file, with both checksums of each record checked.
    pub fn read_events(bytes: &[u8]) -> Vec<Event> {
        let mut rest = bytes;
        let mut events = Vec::new();
        while !rest.is_empty() {
            let (length, tail) = rest.split_at(8);
            let (length_crc, tail) = tail.split_at(4);
            assert_eq!(masked_crc(length).to_le_bytes(), length_crc);
            let (data, tail) = tail.split_at(u64::from_le_bytes(length.try_into().expect("8 bytes")) as usize);
            let (data_crc, tail) = tail.split_at(4);
            assert_eq!(masked_crc(data).to_le_bytes(), data_crc);
            events.push(Event::decode(data).expect("a message"));
            rest = tail;
        }
        events
    }

    #[test]
    fn the_checksum_is_tensorflows() {
        // RFC 3720 B.4: CRC-32C of 32 zero bytes is 0x8a9136aa; masked by hand.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(masked_crc(&[0; 32]), 0x0fd7_fffa);
    }

    #[test]
    fn scalars_and_pictures_read_back_and_a_resumed_run_marks_its_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path();
        Picture::from_fn(2, 1, |_| [1, 2, 3])
            .write(&run.join("a.png"))
            .expect("writes");
        let mut file = EventFile::create(run, 4).expect("creates");
        let step = RunEvent::Step(Step {
            step: 5,
            loss: 0.25,
            gradient_norm: Some(3.0),
            ..Step::default()
        });
        let validation = RunEvent::Validation(Validation {
            step: 6,
            mean_iou: Some(0.5),
            classes: vec![ClassScore {
                name: "water".into(),
                iou: Some(0.75),
                ..ClassScore::default()
            }],
            ..Validation::default()
        });
        let samples = RunEvent::Samples(Samples {
            step: 6,
            samples: vec![SampleFiles {
                name: "p1".into(),
                input: "a.png".into(),
                label: "a.png".into(),
                prediction: "a.png".into(),
                saliency: None,
            }],
            ..Samples::default()
        });
        for event in [&step, &validation, &samples] {
            file.record(run, event).expect("writes");
        }
        EventFile::create(run, 0).expect("another in the same second");
        let mut paths: Vec<_> = std::fs::read_dir(run)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.display().to_string().contains("tfevents"))
            .collect();
        paths.sort();
        assert_eq!(paths.len(), 2);
        let events = read_events(&std::fs::read(&paths[0]).expect("reads"));
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!(
            (events[1].step, events[1].session_log.clone()),
            (5, Some(SessionLog { status: 1 }))
        );
        let value = |event: &Event, tag: &str| {
            let values = &event.summary.as_ref().expect("a summary").value;
            values.iter().find(|value| value.tag == tag).expect("the tag").clone()
        };
        assert_eq!(events[2].step, 5);
        assert_eq!(value(&events[2], "loss/total").simple_value, Some(0.25));
        assert_eq!(value(&events[2], "gradient_norm").simple_value, Some(3.0));
        assert_eq!(value(&events[3], "iou/water").simple_value, Some(0.75));
        let image = value(&events[4], "samples/p1/input").image.expect("a picture");
        assert_eq!((image.width, image.height), (2, 1));
        assert_eq!(events[4].summary.as_ref().expect("a summary").value.len(), 3);
    }
}
