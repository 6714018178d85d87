//! What opens without anybody being asked: the standard handler with an empty password (ISO 32000-2, 7.6).
//!
//! Statements of banks and forms that must not be printed are encrypted so; each reader shows them at once. A file that
//! asks for a password stays closed to us.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256, Block};
use md5::{Digest, Md5};
use sha2::{Sha256, Sha384, Sha512};

use super::lexer::{Lexer, Token};

/// What fills up a password (algorithm 2, step a).
const PAD: [u8; 32] = [
    0x28, 0xbf, 0x4e, 0x5e, 0x4e, 0x75, 0x8a, 0x41, 0x64, 0x00, 0x4e, 0x56, 0xff, 0xfa, 0x01, 0x08, 0x2e, 0x2e, 0x00,
    0xb6, 0xd0, 0x68, 0x3e, 0x80, 0x2f, 0x0c, 0xa9, 0xfe, 0x64, 0x53, 0x69, 0x7a,
];
/// Entries of a dictionary that are looked at.
const ENTRIES_MAX: usize = 128;
/// Rounds of algorithm 2.B: no end is near by chance beyond these.
const ROUNDS_MAX: usize = 512;

/// How octets are scrambled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Method {
    None,
    Rc4,
    Aes128,
    Aes256,
}

/// A key that opens the file, and how each sort of octets is scrambled.
#[derive(Clone)]
pub(super) struct Key {
    key: Vec<u8>,
    streams: Method,
    texts: Method,
    files: Method,
}

/// What a dictionary of passwords says: keys, those of inner dictionaries behind a slash, and values.
struct Entries(Vec<(String, Value)>);

enum Value {
    Name(String),
    Text(Vec<u8>),
    Number(i64),
    Word(Vec<u8>),
}

impl Entries {
    /// Reads on from within the brackets, or from before them.
    fn read(lexer: &mut Lexer<'_>) -> Entries {
        let (mut found, mut path, mut key) = (Vec::new(), Vec::<String>::new(), None::<String>);
        while let Some(token) = lexer.next() {
            let value = match token {
                Token::Open => {
                    path.extend(key.take());
                    continue;
                }
                Token::Close => {
                    if path.pop().is_none() {
                        break;
                    }
                    continue;
                }
                Token::Name(name) if key.is_none() => {
                    key = Some(name);
                    continue;
                }
                Token::Name(name) => Value::Name(name),
                Token::Text(octets) => Value::Text(octets),
                Token::Number(number) => Value::Number(i64::try_from(number).unwrap_or(i64::MAX)),
                Token::Word(b"endobj" | b"stream") => break,
                Token::Word(word) => {
                    let number = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
                    number.map_or_else(|| Value::Word(word.to_vec()), Value::Number)
                }
                _ => continue,
            };
            if let Some(key) = key.take() {
                found.push((
                    [path.join("/").as_str(), &key]
                        .join("/")
                        .trim_start_matches('/')
                        .to_owned(),
                    value,
                ));
            }
            if found.len() >= ENTRIES_MAX || path.len() > 8 {
                break;
            }
        }
        Entries(found)
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(one, _)| one == key).map(|(_, value)| value)
    }

    fn number(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn text(&self, key: &str) -> &[u8] {
        match self.get(key) {
            Some(Value::Text(octets)) => octets,
            _ => &[],
        }
    }

    fn name(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Name(name) => Some(name),
            _ => None,
        }
    }

    /// How the filter under this key scrambles; `otherwise` where there is none.
    fn method(&self, key: &str, otherwise: Method) -> Option<Method> {
        let Some(filter) = self.name(key) else {
            return Some(otherwise);
        };
        if filter == "Identity" {
            return Some(Method::None);
        }
        match self.name(&format!("CF/{filter}/CFM"))? {
            "None" => Some(Method::None),
            "V2" => Some(Method::Rc4),
            "AESV2" => Some(Method::Aes128),
            "AESV3" => Some(Method::Aes256),
            _ => None,
        }
    }
}

/// The key, if the dictionary that begins at `at` asks for no password. `ids` are the first halves of the file's
/// identifiers.
pub(super) fn key(octets: &[u8], at: usize, ids: &[Vec<u8>]) -> Option<Key> {
    let mut lexer = Lexer::new(octets);
    lexer.at = at;
    let entries = Entries::read(&mut lexer);
    if entries.name("Filter")? != "Standard" {
        return None;
    }
    let (version, revision) = (entries.number("V")?, entries.number("R")?);
    let (streams, texts, files) = if version >= 4 {
        let streams = entries.method("StmF", Method::None)?;
        (
            streams,
            entries.method("StrF", Method::None)?,
            entries.method("EFF", streams)?,
        )
    } else {
        (Method::Rc4, Method::Rc4, Method::Rc4)
    };
    let key = match revision {
        2..=4 => ids
            .iter()
            .map(Vec::as_slice)
            .chain([&[][..]])
            .find_map(|id| old_key(&entries, revision, id)),
        5 | 6 => new_key(&entries, revision),
        _ => None,
    }?;
    Some(Key {
        key,
        streams,
        texts,
        files,
    })
}

/// Revisions 2 to 4 (algorithms 2, 4 and 5).
fn old_key(entries: &Entries, revision: i64, id: &[u8]) -> Option<Vec<u8>> {
    let (owner, user) = (entries.text("O").get(..32)?, entries.text("U"));
    let mut begin = Md5::new();
    begin.update(PAD);
    begin.update(owner);
    // Writers give it with a sign or without.
    begin.update((entries.number("P")? as u32).to_le_bytes());
    begin.update(id);
    if revision >= 4 && matches!(entries.get("EncryptMetadata"), Some(Value::Word(word)) if word == b"false") {
        begin.update([0xff; 4]);
    }
    let begin = begin.finalize();
    let said = entries.number("Length").and_then(|bits| usize::try_from(bits / 8).ok());
    // Some say the length in octets, some say none.
    [said.unwrap_or(5), 16, 5].into_iter().find_map(|size| {
        let size = if revision == 2 { 5 } else { size.clamp(5, 16) };
        let mut key = begin.to_vec();
        if revision >= 3 {
            for _ in 0..50 {
                key = Md5::digest(key.get(..size)?).to_vec();
            }
        }
        key.truncate(size);
        let opens = if revision == 2 {
            rc4(&key, &PAD) == user.get(..32)?
        } else {
            let mut sum = Md5::new();
            sum.update(PAD);
            sum.update(id);
            let mut check = rc4(&key, &sum.finalize());
            for turn in 1..20u8 {
                let other: Vec<u8> = key.iter().map(|octet| octet ^ turn).collect();
                check = rc4(&other, &check);
            }
            check == user.get(..16)?
        };
        opens.then_some(key)
    })
}

/// Revisions 5 and 6 (algorithms 2.A, 11 and 12): as the user's password, then as the owner's.
fn new_key(entries: &Entries, revision: i64) -> Option<Vec<u8>> {
    let user = entries.text("U").get(..48)?;
    [("U", "UE", &[][..]), ("O", "OE", user)]
        .into_iter()
        .find_map(|(check, packed, user)| {
            let check = entries.text(check);
            let sum = |salt: &[u8]| {
                if revision == 5 {
                    Some(Sha256::digest([salt, user].concat()).to_vec())
                } else {
                    strong_sum(salt, user)
                }
            };
            if sum(check.get(32..40)?)? != check.get(..32)? {
                return None;
            }
            let key = sum(check.get(40..48)?)?;
            let packed = entries.text(packed).get(..32)?;
            decrypt(&Aes256::new_from_slice(&key).ok()?, &[0; 16], packed)
        })
}

/// Algorithm 2.B, of an empty password.
fn strong_sum(salt: &[u8], user: &[u8]) -> Option<Vec<u8>> {
    let mut sum = Sha256::digest([salt, user].concat()).to_vec();
    for turn in 0..ROUNDS_MAX {
        let once = [&sum[..], user].concat();
        let mut octets = once.repeat(64);
        let cipher = Aes128::new_from_slice(sum.get(..16)?).ok()?;
        let mut before: [u8; 16] = sum.get(16..32)?.try_into().ok()?;
        for piece in octets.chunks_exact_mut(16) {
            for (octet, other) in piece.iter_mut().zip(before) {
                *octet ^= other;
            }
            let mut block = Block::try_from(&*piece).ok()?;
            cipher.encrypt_block(&mut block);
            piece.copy_from_slice(&block);
            before = block.into();
        }
        // The first sixteen octets as a number; 256 leaves 1 when divided by 3.
        let rest = octets.iter().take(16).map(|octet| u32::from(*octet)).sum::<u32>() % 3;
        sum = match rest {
            0 => Sha256::digest(&octets).to_vec(),
            1 => Sha384::digest(&octets).to_vec(),
            _ => Sha512::digest(&octets).to_vec(),
        };
        let last = usize::from(*octets.last()?);
        if turn >= 63 && last + 32 <= turn + 1 {
            sum.truncate(32);
            return Some(sum);
        }
    }
    None
}

fn rc4(key: &[u8], octets: &[u8]) -> Vec<u8> {
    let mut state: [u8; 256] = std::array::from_fn(|at| at as u8);
    let mut other = 0u8;
    for (at, octet) in (0..=255u8).zip(key.iter().cycle()) {
        other = other.wrapping_add(state[usize::from(at)]).wrapping_add(*octet);
        state.swap(usize::from(at), usize::from(other));
    }
    let (mut at, mut other) = (0u8, 0u8);
    octets
        .iter()
        .map(|octet| {
            at = at.wrapping_add(1);
            other = other.wrapping_add(state[usize::from(at)]);
            state.swap(usize::from(at), usize::from(other));
            octet ^ state[usize::from(state[usize::from(at)].wrapping_add(state[usize::from(other)]))]
        })
        .collect()
}

/// Whole blocks in CBC; what is left over is dropped.
fn decrypt(
    cipher: &impl BlockCipherDecrypt<BlockSize = aes::cipher::consts::U16>,
    first: &[u8],
    octets: &[u8],
) -> Option<Vec<u8>> {
    let mut found = Vec::with_capacity(octets.len());
    let mut before = first;
    for piece in octets.chunks_exact(16) {
        let mut block = Block::try_from(piece).ok()?;
        cipher.decrypt_block(&mut block);
        found.extend(block.iter().zip(before).map(|(octet, other)| octet ^ other));
        before = piece;
    }
    Some(found)
}

impl Key {
    /// A stream of this object, or the octets of a file.
    pub(super) fn stream(&self, object: (u64, u64), is_file: bool, octets: &[u8]) -> Vec<u8> {
        let method = if is_file { self.files } else { self.streams };
        self.open(method, object, octets)
    }

    /// A text of this object.
    pub(super) fn text(&self, object: (u64, u64), octets: &[u8]) -> Vec<u8> {
        self.open(self.texts, object, octets)
    }

    /// Algorithms 1 and 1.A.
    fn open(&self, method: Method, (number, generation): (u64, u64), octets: &[u8]) -> Vec<u8> {
        let of_object = |salt: &[u8]| {
            let mut sum = Md5::new();
            sum.update(&self.key);
            sum.update(number.to_le_bytes().get(..3).unwrap_or_default());
            sum.update(generation.to_le_bytes().get(..2).unwrap_or_default());
            sum.update(salt);
            let mut key = sum.finalize().to_vec();
            key.truncate((self.key.len() + 5).min(16));
            key
        };
        let (first, rest) = octets.split_at(octets.len().min(16));
        let found = match method {
            Method::None => return octets.to_vec(),
            Method::Rc4 => return rc4(&of_object(b""), octets),
            Method::Aes128 => Aes128::new_from_slice(&of_object(b"sAlT"))
                .ok()
                .and_then(|cipher| decrypt(&cipher, first, rest)),
            Method::Aes256 => Aes256::new_from_slice(&self.key)
                .ok()
                .and_then(|cipher| decrypt(&cipher, first, rest)),
        };
        let mut found = found.unwrap_or_default();
        // The last octet says how many fill the last block.
        let fill = found.last().copied().map_or(0, usize::from);
        if (1..=16).contains(&fill) {
            found.truncate(found.len().saturating_sub(fill));
        }
        found
    }
}
