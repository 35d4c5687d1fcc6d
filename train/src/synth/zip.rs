//! A zip archive, written as its members are read: deflate, sizes after the fact.

use std::io::{self, Read, Seek, SeekFrom, Write};

use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params};

const LEVEL: i32 = 1;
const CHUNK_BYTES: usize = 1 << 16;
const DEFLATED: u16 = 8;
/// The first day that the format knows: no member has a date of its own, so that a seed gives the same bytes on every day.
const DOS_DATE: u16 = 0x0021;

/// An archive on its way to a file, of less than 4 GiB.
pub struct ZipWriter<W> {
    file: W,
    central: Vec<u8>,
    members: u16,
}

impl<W: Write + Seek> ZipWriter<W> {
    /// An archive that begins where `file` is: at its start.
    pub fn new(file: W) -> Self {
        Self {
            file,
            central: Vec::new(),
            members: 0,
        }
    }

    /// Appends a member.
    ///
    /// # Errors
    /// Those of `content` and of the file; [`io::ErrorKind::FileTooLarge`] where either length is 4 GiB or more.
    pub fn append(&mut self, name: &str, mut content: impl Read) -> io::Result<()> {
        let offset = length(self.file.stream_position()?)?;
        self.file.write_all(&local_header(name, [0; 3]))?;
        let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(LEVEL, -15, 0));
        let (mut crc, mut read_bytes, mut written_bytes) = (u32::MAX, 0u64, 0u64);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let received = content.read(&mut chunk)?;
            let input = &chunk[..received];
            crc = crc32(crc, input);
            read_bytes += received as u64;
            let flush = if received == 0 {
                TDEFLFlush::Finish
            } else {
                TDEFLFlush::None
            };
            let mut failure = None;
            compress_to_output(&mut compressor, input, flush, |output| {
                written_bytes += output.len() as u64;
                failure = self.file.write_all(output).err();
                failure.is_none()
            });
            if let Some(error) = failure {
                return Err(error);
            }
            if received == 0 {
                break;
            }
        }
        let sizes = [!crc, length(written_bytes)?, length(read_bytes)?];
        let end = self.file.stream_position()?;
        let header = local_header(name, sizes);
        self.file.seek(SeekFrom::Start(u64::from(offset)))?;
        self.file.write_all(&header)?;
        self.file.seek(SeekFrom::Start(end))?;
        // The central entry: the local one with the maker's version before, and comment, disk, attributes and place after its lengths.
        self.central.extend_from_slice(b"PK\x01\x02\x14\x00");
        self.central.extend_from_slice(&header[4..30]);
        self.central.extend_from_slice(&[0; 10]);
        self.central.extend_from_slice(&offset.to_le_bytes());
        self.central.extend_from_slice(name.as_bytes());
        self.members += 1;
        Ok(())
    }

    /// Writes the list of members.
    ///
    /// # Errors
    /// As [`ZipWriter::append`].
    pub fn finish(mut self) -> io::Result<()> {
        let offset = length(self.file.stream_position()?)?;
        self.file.write_all(&self.central)?;
        let mut end = b"PK\x05\x06\x00\x00\x00\x00".to_vec();
        end.extend_from_slice(&self.members.to_le_bytes());
        end.extend_from_slice(&self.members.to_le_bytes());
        end.extend_from_slice(&length(self.central.len() as u64)?.to_le_bytes());
        end.extend_from_slice(&offset.to_le_bytes());
        end.extend_from_slice(&[0; 2]);
        self.file.write_all(&end)?;
        self.file.flush()
    }
}

/// A local header with checksum, compressed and plain size.
fn local_header(name: &str, sizes: [u32; 3]) -> Vec<u8> {
    let mut header = b"PK\x03\x04\x14\x00\x00\x00".to_vec();
    for value in [DEFLATED, 0, DOS_DATE] {
        header.extend_from_slice(&value.to_le_bytes());
    }
    sizes
        .iter()
        .for_each(|size| header.extend_from_slice(&size.to_le_bytes()));
    header.extend_from_slice(&(name.len() as u16).to_le_bytes());
    header.extend_from_slice(&[0; 2]);
    header.extend_from_slice(name.as_bytes());
    header
}

fn length(bytes: u64) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

/// Goes on with a CRC-32 (polynomial 0xEDB88320), which starts as `u32::MAX` and is inverted at the end.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 {
                    value >> 1 ^ 0xEDB8_8320
                } else {
                    value >> 1
                };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    bytes
        .iter()
        .fold(crc, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(!crc32(u32::MAX, b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn members_are_listed_where_they_are() {
        let long: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let mut file = Cursor::new(Vec::new());
        let mut zip = ZipWriter::new(&mut file);
        zip.append("a/long.bin", long.as_slice()).expect("writes");
        zip.append("a/short.txt", b"hello".as_slice()).expect("writes");
        zip.finish().expect("writes");
        let bytes = file.into_inner();
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let end = bytes.len() - 22;
        assert_eq!(&bytes[end..end + 4], b"PK\x05\x06");
        let mut at = number(end + 16);
        for (name, content) in [("a/long.bin", long.as_slice()), ("a/short.txt", b"hello")] {
            assert_eq!(&bytes[at..at + 4], b"PK\x01\x02");
            assert_eq!(&bytes[at + 46..at + 46 + name.len()], name.as_bytes());
            let (packed, plain, start) = (number(at + 20), number(at + 24), number(at + 42));
            assert_eq!(plain, content.len());
            assert_eq!(&bytes[start..start + 4], b"PK\x03\x04");
            let data = &bytes[start + 30 + name.len()..][..packed];
            assert_eq!(miniz_oxide::inflate::decompress_to_vec(data).expect("deflate"), content);
            at += 46 + name.len();
        }
        assert_eq!(at, end);
    }
}
