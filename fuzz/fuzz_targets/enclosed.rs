//! What any octets enclose is given within its bounds and the same wherever the body lies, and replacing a part changes
//! nothing else.
#![no_main]

#[path = "../../crates/message/tests/oracle/enclosed.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((how, data)) = data.split_first() else {
        return;
    };
    let head: &[u8] = match how % 4 {
        0 => b"Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n",
        1 => b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        2 => b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        _ => b"",
    };
    oracle::enclosed_holds(&[head, data].concat());
});
