//! Header and directories. They come before the pixels, because their size is known before the first pixel is.

use crate::tags::Tag;

/// Values start at multiples of eight: the specification requires two, and mapped memory likes eight.
const ALIGN_BYTES: usize = 8;

fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGN_BYTES), 0);
}

/// Bytes of an offset and of a count in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// TIFF 6.0: 32 bits.
    Classic,
    /// BigTIFF: 64 bits.
    Big,
}

impl FileKind {
    fn offset_bytes(self) -> usize {
        match self {
            FileKind::Classic => 4,
            FileKind::Big => 8,
        }
    }

    fn entry_bytes(self) -> usize {
        match self {
            FileKind::Classic => 12,
            FileKind::Big => 20,
        }
    }

    /// Entry count, entries, offset of the next directory.
    fn directory_bytes(self, entries: usize) -> usize {
        let count_bytes = if self == FileKind::Big { 8 } else { 2 };
        count_bytes + entries * self.entry_bytes() + self.offset_bytes()
    }

    fn put(self, bytes: &mut Vec<u8>, value: u64) {
        match self {
            // Anything that does not fit made the file a BigTIFF.
            FileKind::Classic => bytes.extend_from_slice(&(value as u32).to_le_bytes()),
            FileKind::Big => bytes.extend_from_slice(&value.to_le_bytes()),
        }
    }
}

/// A tag's value as it is stored.
#[derive(Debug)]
pub(crate) struct Entry {
    tag: u16,
    field_type: u16,
    count: u64,
    bytes: Vec<u8>,
}

impl Entry {
    pub(crate) fn ascii(tag: Tag, text: &[u8]) -> Self {
        let mut bytes = text.to_vec();
        bytes.push(0);
        Self {
            tag: tag.number,
            field_type: 2,
            count: bytes.len() as u64,
            bytes,
        }
    }

    pub(crate) fn shorts(tag: Tag, values: &[u16]) -> Self {
        Self {
            tag: tag.number,
            field_type: 3,
            count: values.len() as u64,
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    pub(crate) fn longs(tag: Tag, values: impl IntoIterator<Item = u32>) -> Self {
        let bytes: Vec<u8> = values.into_iter().flat_map(u32::to_le_bytes).collect();
        Self {
            tag: tag.number,
            field_type: 4,
            count: bytes.len() as u64 / 4,
            bytes,
        }
    }

    pub(crate) fn doubles(tag: Tag, values: &[f64]) -> Self {
        Self {
            tag: tag.number,
            field_type: 12,
            count: values.len() as u64,
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn offsets(tag: u16, kind: FileKind, values: &[u64]) -> Self {
        let mut bytes = Vec::with_capacity(values.len() * kind.offset_bytes());
        values.iter().for_each(|value| kind.put(&mut bytes, *value));
        Self {
            tag,
            field_type: if kind == FileKind::Big { 16 } else { 4 },
            count: values.len() as u64,
            bytes,
        }
    }
}

/// The tags of one image, and where its strips or tiles are.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) entries: Vec<Entry>,
    /// StripOffsets or TileOffsets.
    pub(crate) offsets_tag: Tag,
    pub(crate) offsets: Vec<u64>,
}

/// Everything before the pixels.
pub(crate) struct Head {
    kind: FileKind,
    /// What stands between the header and the first directory.
    note: String,
    directories: Vec<Directory>,
}

impl Head {
    pub(crate) fn new(kind: FileKind, note: String, mut directories: Vec<Directory>) -> Self {
        for directory in &mut directories {
            directory.entries.sort_by_key(|entry| entry.tag);
        }
        Self {
            kind,
            note,
            directories,
        }
    }

    /// Another kind of file, of the same images.
    pub(crate) fn with_kind(self, kind: FileKind) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn directories_mut(&mut self) -> &mut [Directory] {
        &mut self.directories
    }

    fn preamble(&self) -> Vec<u8> {
        let mut bytes = match self.kind {
            FileKind::Classic => b"II\x2a\0\0\0\0\0".to_vec(),
            FileKind::Big => b"II\x2b\0\x08\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        };
        bytes.extend_from_slice(self.note.as_bytes());
        align(&mut bytes);
        let mut at = Vec::new();
        self.kind.put(&mut at, bytes.len() as u64);
        let start = if self.kind == FileKind::Big { 8 } else { 4 };
        bytes.splice(start..start + at.len(), at);
        bytes
    }

    /// Size of a directory in bytes, with its values that are not in it.
    fn directory_bytes(&self, directory: &Directory) -> usize {
        let inline_bytes = self.kind.offset_bytes();
        let lengths = directory.entries.iter().map(|entry| entry.bytes.len());
        let outside = lengths
            .chain([directory.offsets.len() * inline_bytes])
            .filter(|bytes| *bytes > inline_bytes);
        let entries = self.kind.directory_bytes(directory.entries.len() + 1);
        let values = outside.map(|bytes| bytes.next_multiple_of(ALIGN_BYTES)).sum::<usize>();
        entries.next_multiple_of(ALIGN_BYTES) + values
    }

    /// Where the pixels start. This does not depend on the offsets.
    pub(crate) fn size_bytes(&self) -> u64 {
        let directories = self.directories.iter().map(|directory| self.directory_bytes(directory));
        (self.preamble().len() + directories.sum::<usize>()) as u64
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.preamble();
        let last = self.directories.len().saturating_sub(1);
        for (index, directory) in self.directories.iter().enumerate() {
            let next = match index == last {
                true => 0,
                false => (bytes.len() + self.directory_bytes(directory)) as u64,
            };
            self.put_directory(&mut bytes, directory, next);
        }
        bytes
    }

    fn put_directory(&self, bytes: &mut Vec<u8>, directory: &Directory, next: u64) {
        let kind = self.kind;
        let offsets = Entry::offsets(directory.offsets_tag.number, kind, &directory.offsets);
        let (before, after) = directory
            .entries
            .split_at(directory.entries.partition_point(|entry| entry.tag < offsets.tag));
        let count = directory.entries.len() + 1;
        let mut value_at = bytes.len() + kind.directory_bytes(count).next_multiple_of(ALIGN_BYTES);
        match kind {
            FileKind::Classic => bytes.extend_from_slice(&(count as u16).to_le_bytes()),
            FileKind::Big => bytes.extend_from_slice(&(count as u64).to_le_bytes()),
        }
        let mut values = Vec::new();
        for entry in before.iter().chain([&offsets]).chain(after) {
            bytes.extend_from_slice(&entry.tag.to_le_bytes());
            bytes.extend_from_slice(&entry.field_type.to_le_bytes());
            kind.put(bytes, entry.count);
            if entry.bytes.len() <= kind.offset_bytes() {
                let end = bytes.len() + kind.offset_bytes();
                bytes.extend_from_slice(&entry.bytes);
                bytes.resize(end, 0);
            } else {
                kind.put(bytes, value_at as u64);
                let before = values.len();
                values.extend_from_slice(&entry.bytes);
                align(&mut values);
                value_at += values.len() - before;
            }
        }
        kind.put(bytes, next);
        align(bytes);
        bytes.append(&mut values);
    }
}
