//! Frames that are right, some hundred that are not, and thousands that were damaged at random.

use proptest::prelude::*;

use super::*;

fn read(table: Table, start: u16, count: u16) -> Request {
    Request::Read(Need { table, start, count })
}

/// Requests of each function, with the answer that fits.
fn examples() -> Vec<(Request, Vec<u8>, Reply)> {
    vec![
        (read(Table::Coil, 0, 3), vec![1, 1, 0b101], Reply::Bits(vec![true, false, true])),
        (read(Table::Discrete, 8, 9), vec![2, 2, 0xFF, 0], Reply::Bits([vec![true; 8], vec![false]].concat())),
        (read(Table::Holding, 0, 2), vec![3, 4, 0, 1, 2, 3], Reply::Words(vec![1, 0x0203])),
        (read(Table::Input, 65_535, 1), vec![4, 2, 0xAB, 0xCD], Reply::Words(vec![0xABCD])),
        (Request::WriteCoil { at: 1, on: true }, vec![5, 0, 1, 0xFF, 0], Reply::Done),
        (Request::WriteRegister { at: 1, word: 7 }, vec![6, 0, 1, 0, 7], Reply::Done),
        (Request::WriteCoils { at: 2, bits: vec![true; 9] }, vec![15, 0, 2, 0, 9], Reply::Done),
        (Request::WriteRegisters { at: 3, words: vec![1, 2] }, vec![16, 0, 3, 0, 2], Reply::Done),
        (Request::MaskRegister { at: 4, and: 0xF2, or: 0x25 }, vec![22, 0, 4, 0, 0xF2, 0, 0x25], Reply::Done),
    ]
}

#[test]
fn requests_are_encoded_as_the_standard_has_it() {
    let pdus: Vec<Vec<u8>> = examples().iter().map(|(request, ..)| request.encode().unwrap()).collect();
    let expected: [&[u8]; 9] = [
        &[1, 0, 0, 0, 3],
        &[2, 0, 8, 0, 9],
        &[3, 0, 0, 0, 2],
        &[4, 0xFF, 0xFF, 0, 1],
        &[5, 0, 1, 0xFF, 0],
        &[6, 0, 1, 0, 7],
        &[15, 0, 2, 0, 9, 2, 0xFF, 1],
        &[16, 0, 3, 0, 2, 4, 0, 1, 0, 2],
        &[22, 0, 4, 0, 0xF2, 0, 0x25],
    ];
    assert_eq!(pdus, expected);
    assert_eq!(rtu::encode(1, &pdus[2]), [1, 3, 0, 0, 0, 2, 0xC4, 0x0B], "the check sum, low byte first");
    assert_eq!(mbap::encode(0x1234, 7, &pdus[2]), [0x12, 0x34, 0, 0, 0, 6, 7, 3, 0, 0, 0, 2]);
}

#[test]
fn more_than_one_request_may_hold_is_not_encoded() {
    for request in [
        read(Table::Holding, 0, 126),
        read(Table::Coil, 0, 2001),
        read(Table::Input, 0, 0),
        read(Table::Input, 65_535, 2),
        Request::WriteCoils { at: 0, bits: vec![false; 1969] },
        Request::WriteCoils { at: 65_535, bits: vec![false; 2] },
        Request::WriteRegisters { at: 0, words: vec![0; 124] },
        Request::WriteRegisters { at: 0, words: Vec::new() },
    ] {
        assert_eq!(request.encode(), None, "{request:?}");
    }
    let largest = Request::WriteRegisters { at: 0, words: vec![0; 123] }.encode().unwrap();
    assert_eq!(largest.len(), PDU - 1);
}

#[test]
fn the_fitting_answer_and_each_exception_are_taken_in_both_framings() {
    for (request, pdu, reply) in examples() {
        assert_eq!(request.decode(&pdu), Ok(reply));
        assert_eq!(request.decode(&[request.function() | 0x80, 2]), Ok(Reply::Exception(2)));
        let rtu = rtu::encode(9, &pdu);
        assert_eq!(rtu::parse(&rtu), Ok(Some(Frame { transaction: None, unit: 9, pdu: &pdu, taken: rtu.len() })));
        let tcp = mbap::encode(5, 9, &pdu);
        assert_eq!(mbap::parse(&tcp), Ok(Some(Frame { transaction: Some(5), unit: 9, pdu: &pdu, taken: tcp.len() })));
        // Not whole yet, or with the next one behind it.
        for end in 0..tcp.len() {
            assert_eq!(mbap::parse(&tcp[..end]), Ok(None));
        }
        for end in 0..rtu.len() {
            assert_eq!(rtu::parse(&rtu[..end]), Ok(None));
        }
        let two = [tcp.as_slice(), tcp.as_slice()].concat();
        assert_eq!(mbap::parse(&two).unwrap().unwrap().taken, tcp.len());
    }
}

/// Each way to spoil the answer to a request, with the word for it.
fn spoilt(request: &Request, pdu: &[u8]) -> Vec<(Vec<u8>, Fault)> {
    let function = request.function();
    let mut bad = vec![
        (Vec::new(), Fault::Length),
        (vec![function | 0x80], Fault::Length),
        (vec![function | 0x80, 2, 0], Fault::Length),
        (vec![0], Fault::Function),
        (vec![0x80], Fault::Function),
        (vec![(function ^ 7) | 0x80, 2], Fault::Function),
    ];
    for other in [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 22, 23, 43, 127] {
        if other != function {
            bad.push(([&[other], &pdu[1..]].concat(), Fault::Function));
        }
    }
    if request.is_read() {
        bad.push((vec![function], Fault::Length));
        for count in [0, pdu[1] - 1, pdu[1] + 1, pdu[1] + 2, 250, 255] {
            bad.push(([&[function, count], &pdu[2..]].concat(), Fault::ByteCount));
            // With as many bytes as it says, but not as many as were asked for.
            bad.push(([vec![function, count], vec![0; count.into()]].concat(), Fault::ByteCount));
        }
        bad.push((pdu[..pdu.len() - 1].to_vec(), Fault::ByteCount));
        bad.push(([pdu, &[0]].concat(), Fault::ByteCount));
    } else {
        for at in 1..pdu.len() {
            let mut wrong = pdu.to_vec();
            wrong[at] ^= 0x10;
            bad.push((wrong, Fault::Echo));
        }
        bad.push((pdu[..pdu.len() - 1].to_vec(), Fault::Length));
        bad.push(([pdu, &[0]].concat(), Fault::Length));
    }
    bad
}

#[test]
fn three_hundred_malformed_answers_are_each_known_for_what_they_are() {
    let mut seen = 0;
    for (request, pdu, _) in examples() {
        for (bad, fault) in spoilt(&request, &pdu) {
            assert_eq!(request.decode(&bad), Err(fault), "{request:?} {bad:?}");
            seen += 1;
        }
        // The frame around it: each byte of the check sum and of the header.
        let rtu = rtu::encode(9, &pdu);
        for bit in 0..16 {
            let mut wrong = rtu.clone();
            wrong[rtu.len() - 1 - bit / 8] ^= 1 << (bit % 8);
            assert_eq!(rtu::parse(&wrong), Err(Fault::Crc));
            seen += 1;
        }
        let tcp = mbap::encode(1, 9, &pdu);
        for (at, to, fault) in [
            (2, 1, Fault::Protocol),
            (3, 1, Fault::Protocol),
            (4, 1, Fault::Length),
            (4, 0xFF, Fault::Length),
            (5, 0, Fault::Length),
            (5, 1, Fault::Length),
            (5, 255, Fault::Length),
        ] {
            let mut wrong = tcp.clone();
            wrong[at] = to;
            assert_eq!(mbap::parse(&wrong), Err(fault));
            seen += 1;
        }
    }
    for function in (0..=0x7F).filter(|function| ![1, 2, 3, 4, 5, 6, 15, 16, 22].contains(function)) {
        assert_eq!(rtu::parse(&[1, function, 0, 0, 0]), Err(Fault::Function));
        seen += 1;
    }
    assert_eq!(rtu::parse(&[1, 3, 252]), Err(Fault::Length), "more than a frame may hold");
    assert!(300 < seen, "{seen}");
}

#[test]
fn each_fault_has_a_word_of_its_own() {
    let mut words: Vec<&str> = Fault::ALL.iter().map(|fault| fault.word()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Fault::ALL.len());
}

proptest! {
    #[test]
    fn no_bytes_make_the_codecs_panic_or_take_more_than_there_is(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for parsed in [mbap::parse(&bytes), rtu::parse(&bytes)] {
            if let Ok(Some(frame)) = parsed {
                prop_assert!(frame.taken <= bytes.len() && frame.pdu.len() <= PDU);
                for (request, ..) in examples() {
                    let _ = request.decode(frame.pdu);
                }
            }
        }
        for (request, ..) in examples() {
            if let Ok(Reply::Words(words)) = request.decode(&bytes) {
                prop_assert!(matches!(request, Request::Read(need) if usize::from(need.count) == words.len()));
            }
        }
    }

    #[test]
    fn a_serial_frame_with_one_or_two_wrong_bits_is_never_taken(
        which in 0_usize..9, one in 0_usize..512, two in 0_usize..512,
    ) {
        let (_, pdu, _) = &examples()[which];
        let whole = rtu::encode(9, pdu);
        let mut wrong = whole.clone();
        let bits = 8 * whole.len();
        wrong[one % bits / 8] ^= 1 << (one % 8);
        if two % bits != one % bits {
            wrong[two % bits / 8] ^= 1 << (two % 8);
        }
        prop_assume!(wrong != whole);
        // A damaged length may make it wait for more; never is it a frame of the same unit and contents.
        if let Ok(Some(frame)) = rtu::parse(&wrong) {
            prop_assert!(frame.unit != 9 || frame.pdu != pdu.as_slice(), "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_to_another_question_gives_no_value(
        asked in 0_usize..9, answered in 0_usize..9, at in 0_usize..7, to in any::<u8>(),
    ) {
        let (examples, mut pdu) = (examples(), examples()[answered].1.clone());
        let at = at % pdu.len();
        pdu[at] = to;
        let (request, _, _) = &examples[asked];
        match request.decode(&pdu) {
            Ok(Reply::Exception(_)) => prop_assert!(pdu[0] == request.function() | 0x80 && pdu.len() == 2),
            Ok(_) => prop_assert_eq!(pdu[0], request.function()),
            Err(_) => {}
        }
    }
}
