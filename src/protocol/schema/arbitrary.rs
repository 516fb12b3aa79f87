//! Bodies of any message and version, made from the table: nulls, empty and long arrays, tags known and unknown.

use fastrand::Rng;

use super::{Field, Kind, Shape, message};

/// Node ids in these bodies are below this.
pub(in crate::protocol) const NODES: i32 = 5;
/// Every host in these bodies begins with this, and nothing else in them contains it.
pub(in crate::protocol) const HOST: &str = "BROKER-";

/// The body of a request; `None` when there is no such message.
pub(in crate::protocol) fn request(api_key: i16, version: i16, rng: &mut Rng) -> Option<Vec<u8>> {
    body(Kind::Request, api_key, version, rng)
}

/// The body of a response; `None` when there is no such message.
pub(in crate::protocol) fn response(api_key: i16, version: i16, rng: &mut Rng) -> Option<Vec<u8>> {
    body(Kind::Response, api_key, version, rng)
}

fn body(kind: Kind, api_key: i16, version: i16, rng: &mut Rng) -> Option<Vec<u8>> {
    let message = message(kind, api_key, version)?;
    let mut make = Make { out: Vec::new(), version, flexible: version >= message.flexible_since, rng, depth: 0 };
    make.fields(message.fields);
    Some(make.out)
}

struct Make<'a> {
    out: Vec<u8>,
    version: i16,
    flexible: bool,
    rng: &'a mut Rng,
    depth: usize,
}

impl Make<'_> {
    fn fields(&mut self, fields: &'static [Field]) {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            self.value(&field.shape, field.name, field.is_nullable(version));
        }
        if self.flexible {
            self.tags(fields);
        }
    }

    fn tags(&mut self, fields: &'static [Field]) {
        let version = self.version;
        let mut tagged: Vec<_> = fields.iter().filter(|field| field.tag.is_some() && field.is_in(version)).filter(|_| self.rng.bool()).collect();
        tagged.sort_by_key(|field| field.tag);
        let unknown: &[u32] = match self.rng.u8(0..8) {
            0 => &[50],
            1 => &[51, 200, 70_000],
            _ => &[],
        };
        self.uvarint((tagged.len() + unknown.len()) as u32);
        for field in tagged {
            let outer = std::mem::take(&mut self.out);
            self.value(&field.shape, field.name, field.is_nullable(version));
            let data = std::mem::replace(&mut self.out, outer);
            self.tagged(field.tag.unwrap(), &data);
        }
        for tag in unknown {
            let data = vec![b'u'; self.rng.usize(0..4)];
            self.tagged(*tag, &data);
        }
    }

    fn tagged(&mut self, tag: u32, data: &[u8]) {
        self.uvarint(tag);
        self.uvarint(data.len() as u32);
        self.out.extend(data);
    }

    fn value(&mut self, shape: &'static Shape, name: &str, nullable: bool) {
        let null = nullable && self.rng.u8(0..4) == 0;
        match shape {
            Shape::Fixed(size) => self.fixed(*size, name),
            Shape::ErrorCode => {
                let code = if self.rng.u8(0..3) == 0 { self.rng.i16(-1..134) } else { 0 };
                self.out.extend(code.to_be_bytes());
            }
            Shape::Struct(fields) => {
                if nullable {
                    self.out.push(if null { 0xff } else { 1 });
                }
                if !null {
                    self.fields(fields);
                }
            }
            Shape::String if null => self.short(-1),
            Shape::Bytes | Shape::Array(_) if null => self.long(-1),
            Shape::String => {
                let mut text = if name == "Host" { HOST.to_owned() } else { String::new() };
                let more = self.some();
                text.extend((0..more).map(|_| self.rng.lowercase()));
                self.short(text.len() as i64);
                self.out.extend(text.bytes());
            }
            Shape::Bytes => {
                let size = self.some();
                self.long(size as i64);
                let bytes: Vec<u8> = (0..size).map(|_| self.rng.u8(0..b'A')).collect();
                self.out.extend(bytes);
            }
            Shape::Array(element) => {
                // Long ones only at the top, so that a body stays small.
                let count = match self.rng.u8(0..40) {
                    0 if self.depth == 0 => 130,
                    small => usize::from(small % 4),
                };
                self.long(count as i64);
                self.depth += 1;
                (0..count).for_each(|_| self.value(element, name, false));
                self.depth -= 1;
            }
        }
    }

    fn fixed(&mut self, size: usize, name: &str) {
        match (name, size) {
            ("Port", 4) => self.out.extend(self.rng.i32(1..65_536).to_be_bytes()),
            ("NodeId" | "BrokerId", 4) => self.out.extend(self.rng.i32(0..NODES).to_be_bytes()),
            // A quota's FLOAT64, which must equal itself.
            ("Value", 8) => self.out.extend(f64::from(self.rng.i32(..)).to_be_bytes()),
            // Brokers, not controllers.
            ("EndpointType", 1) => self.out.push(1),
            _ => {
                let bytes: Vec<u8> = (0..size).map(|_| self.rng.u8(..)).collect();
                self.out.extend(bytes);
            }
        }
    }

    /// Mostly a few; sometimes enough for a compact length of two bytes.
    fn some(&mut self) -> usize {
        match self.rng.u8(0..20) {
            0 => 0,
            1 => self.rng.usize(120..400),
            _ => self.rng.usize(1..9),
        }
    }

    fn short(&mut self, length: i64) {
        if self.flexible { self.uvarint((length + 1) as u32) } else { self.out.extend((length as i16).to_be_bytes()) }
    }

    fn long(&mut self, length: i64) {
        if self.flexible { self.uvarint((length + 1) as u32) } else { self.out.extend((length as i32).to_be_bytes()) }
    }

    fn uvarint(&mut self, mut value: u32) {
        while value > 0x7f {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
