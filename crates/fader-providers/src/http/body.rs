//! The body of an answer, taken as it streams: decoded where it is compressed, and never beyond a limit.
//!
//! The client library could decode by itself, but then the length that the server gave is lost with the coding, and
//! whether a list came whole can't be told.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use super::error::{FetchError, told};

/// Collects a body.
#[derive(Debug)]
pub(super) enum Body {
    Plain(Limited),
    Gzip(Box<MultiGzDecoder<Limited>>),
}

impl Body {
    /// Starts a body by the names of its codings.
    pub(super) fn new(coding: &str, limit: u64) -> Result<Self, FetchError> {
        let collected = Limited {
            bytes: Vec::new(),
            limit,
            exceeded: false,
        };
        match coding.to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Plain(collected)),
            "gzip" | "x-gzip" => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(collected)))),
            other => Err(FetchError::Encoding(told(other))),
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), FetchError> {
        let written = match self {
            Self::Plain(collected) => collected.write_all(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk),
        };
        written.map_err(|error| self.error(&error))
    }

    /// Returns the whole, if it is one.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, FetchError> {
        if let Self::Gzip(decoder) = &mut self {
            let finished = decoder.try_finish();
            finished.map_err(|error| self.error(&error))?;
        }
        Ok(std::mem::take(match &mut self {
            Self::Plain(collected) => &mut collected.bytes,
            Self::Gzip(decoder) => &mut decoder.get_mut().bytes,
        }))
    }

    fn error(&self, error: &io::Error) -> FetchError {
        let collected = match self {
            Self::Plain(collected) => collected,
            Self::Gzip(decoder) => decoder.get_ref(),
        };
        if collected.exceeded {
            FetchError::TooLarge(collected.limit)
        } else {
            FetchError::Cut(format!("its gzip coding is not whole ({error})"))
        }
    }
}

/// Holds bytes up to a limit.
#[derive(Debug)]
pub(super) struct Limited {
    bytes: Vec<u8>,
    limit: u64,
    exceeded: bool,
}

impl Write for Limited {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let length = self.bytes.len() as u64 + chunk.len() as u64;
        if length > self.limit {
            self.exceeded = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn collect(coding: &str, limit: u64, bytes: &[u8]) -> Result<Vec<u8>, FetchError> {
        let mut body = Body::new(coding, limit)?;
        for chunk in bytes.chunks(7) {
            body.push(chunk)?;
        }
        body.finish()
    }

    #[test]
    fn the_limit_is_the_last_size_that_is_taken() {
        let bytes = vec![b'x'; 100];
        for (coding, sent) in [
            ("", bytes.clone()),
            ("identity", bytes.clone()),
            ("GZip", gzip(&bytes)),
        ] {
            assert_eq!(collect(coding, 100, &sent).unwrap(), bytes, "{coding}");
            let error = collect(coding, 99, &sent).unwrap_err();
            assert!(
                matches!(error, FetchError::TooLarge(99)),
                "{coding}: {error}"
            );
        }
    }

    #[test]
    fn a_bomb_holds_no_more_than_the_limit() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let mut body = Body::new("gzip", 1000).unwrap();
        assert!(matches!(body.push(&bomb), Err(FetchError::TooLarge(1000))));
        let Body::Gzip(decoder) = &body else {
            panic!("it is gzip")
        };
        assert!(decoder.get_ref().bytes.capacity() < 100_000);
    }

    #[test]
    fn a_cut_or_damaged_coding_is_no_whole() {
        let whole = gzip(b"anna\nbo\n");
        for length in 0..whole.len() {
            let error = collect("gzip", 100, &whole[..length]).unwrap_err();
            assert!(matches!(error, FetchError::Cut(_)), "{length}: {error}");
        }
        let mut damaged = whole.clone();
        damaged[12] ^= 1;
        assert!(collect("gzip", 100, &damaged).is_err());
        let twice = [whole.clone(), whole].concat();
        assert_eq!(
            collect("gzip", 100, &twice).unwrap(),
            b"anna\nbo\nanna\nbo\n"
        );
    }

    #[test]
    fn a_coding_that_was_not_asked_for_is_refused() {
        let error = Body::new("br", 100).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it is encoded with `br`, which was not asked for"
        );
    }
}
