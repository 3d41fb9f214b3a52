//! Logs as engines send them, cut at every byte.

use super::*;

fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
    let mut frame = vec![stream, 0, 0, 0];
    frame.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(text);
    frame
}

/// The lines when the stream arrives in chunks of a size.
fn lines(mut decoder: LineDecoder, stream: &[u8], size: usize) -> Vec<LogLine> {
    let mut lines = Vec::new();
    for chunk in stream.chunks(size) {
        decoder.take(Bytes::copy_from_slice(chunk), &mut lines);
    }
    decoder.finish(&mut lines);
    lines
}

/// `1:text` with `+` after a piece, `$` after a line without an end, and the seconds of its time before it.
fn shown(lines: &[LogLine]) -> Vec<String> {
    let one = |line: &LogLine| {
        let stream = if line.stream == LogStream::Stdout { 1 } else { 2 };
        let time = line.timestamp.map(|time| format!("{:02}.{:09} ", time.as_second() % 60, time.subsec_nanosecond())).unwrap_or_default();
        let end = match (line.partial, line.ended) {
            (true, _) => "+",
            (false, false) => "$",
            (false, true) => "",
        };
        format!("{stream}:{time}{}{end}", line.text.escape_ascii())
    };
    lines.iter().map(one).collect()
}

#[track_caller]
fn expect(terminal: bool, timestamps: bool, longest: usize, stream: &[u8], expected: &[&str]) {
    for size in (1..=stream.len().min(60)).chain([stream.len().max(1)]) {
        let decoder = LineDecoder::new(terminal, timestamps, longest);
        assert_eq!(shown(&lines(decoder, stream, size)), expected, "chunks of {size}");
    }
}

const T1: &str = "2026-11-29T01:30:10.123456789Z ";
const T2: &str = "2026-11-29T01:30:11.000000001Z ";

#[test]
fn lines_of_both_streams_are_kept_apart() {
    let stream = [frame(1, b"a"), frame(2, b"err\n"), frame(1, b"b\n"), frame(1, b"\n"), frame(2, b"no end"), frame(1, b"\xff\0\r\n")];
    expect(false, false, LONGEST, &stream.concat(), &["2:err", "1:ab", "1:", r"1:\xff\x00\r", "2:no end$"]);
    expect(false, false, LONGEST, b"", &[]);
}

#[test]
fn a_terminal_has_one_stream_without_frames_and_no_carriage_return_before_the_end() {
    expect(
        true,
        false,
        LONGEST,
        b"one\r\n\r\ntwo\rthree\r\r\n\x01\0\0\0\r\nrest\r",
        &["1:one", "1:", r"1:two\rthree\r", r"1:\x01\x00\x00\x00", r"1:rest\r$"],
    );
}

#[test]
fn a_long_line_comes_in_pieces_of_which_the_last_is_not_partial() {
    expect(
        false,
        false,
        4,
        &[frame(1, b"0123456"), frame(1, b"789\n"), frame(1, b"0123\n")].concat(),
        &["1:0123+", "1:4567+", "1:89", "1:0123"],
    );
    expect(false, false, 4, &frame(1, b"01234567"), &["1:0123+", "1:4567$"]);
    expect(true, false, 4, b"012\r\n012\r45\r\n", &["1:012", "1:012+", r"1:\r45"]);
}

#[test]
fn every_time_is_taken_off_and_the_first_is_the_lines() {
    let text = |parts: &[&str]| parts.concat().into_bytes();
    let stream = [
        frame(1, &text(&[T1, "first piece "])),
        frame(2, &text(&[T2, "\n"])),
        frame(1, &text(&[T2, "second piece\n"])),
        frame(1, &text(&["2026-11-29T03:30:10+02:00 with an offset\n"])),
        frame(1, b"no time at all in this one\n"),
        frame(1, b"short\n"),
        frame(1, b"cut"),
        frame(1, b" off\n"),
        frame(1, &text(&[T1])),
    ];
    let expected = [
        "2:11.000000001 ",
        "1:10.123456789 first piece second piece",
        "1:10.000000000 with an offset",
        "1:no time at all in this one",
        "1:short",
        "1:cut off",
        "1:10.123456789 $",
    ];
    expect(false, true, LONGEST, &stream.concat(), &expected);
    let terminal = text(&[T1, "one\r\n", T2, "\r\n", T2, "two"]);
    expect(true, true, LONGEST, &terminal, &["1:10.123456789 one", "1:11.000000001 ", "1:11.000000001 two$"]);
}

#[test]
fn the_times_within_a_long_line_of_a_terminal_are_taken_off() {
    let (piece, rest) = ("a".repeat(ENGINE_PIECE), "b".repeat(100));
    let stream = [T1, &piece, T2, &piece, T2, &rest, "\r\n", T2, &piece, T2, "\n", T1, &piece, &rest].concat();
    let expected =
        [format!("1:10.123456789 {piece}{piece}{rest}"), format!("1:11.000000001 {piece}"), format!("1:10.123456789 {piece}{rest}$")];
    for size in [1000, stream.len()] {
        assert!(shown(&lines(LineDecoder::new(true, true, LONGEST), stream.as_bytes(), size)) == expected, "chunks of {size}");
    }
}

#[test]
fn the_engines_own_failure_is_no_line() {
    let mut decoder = LineDecoder::new(false, false, LONGEST);
    let mut found = Vec::new();
    decoder.take(Bytes::from([frame(1, b"a\n"), frame(3, b"Error grabbing logs: EOF\n")].concat()), &mut found);
    assert_eq!((shown(&found), decoder.failure().as_deref()), (vec!["1:a".to_owned()], Some("Error grabbing logs: EOF")));
    assert!(!decoder.is_cut());
    decoder.take(Bytes::from_static(b"\x01\0\0"), &mut found);
    assert!(decoder.is_cut());
}
