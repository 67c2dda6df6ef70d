import { utf16 } from '../core/text.ts';
import { buildEfiApplication } from '../uefi/pe-writer.ts';
import { EfiStatus } from '../uefi/spec/status.ts';

const MESSAGE = 'synthvm default disk: there is no operating system on it.\r\n';

function assemble(...lines: readonly (readonly number[])[]): number[] {
  return lines.flat();
}

/**
 * The master boot record's code: it moves itself to 0600h, finds the active partition, reads its
 * first sector to 7C00h (INT 13h, AH=42h), checks the signature and jumps there; INT 18h otherwise.
 */
export const MBR_CODE = Uint8Array.from(
  assemble(
    [0x31, 0xc0, 0x8e, 0xd0, 0xbc, 0x00, 0x7c], // xor ax, ax; mov ss, ax; mov sp, 7C00h
    [0x8e, 0xd8, 0x8e, 0xc0, 0xfc], // mov ds, ax; mov es, ax; cld
    [0xbe, 0x00, 0x7c, 0xbf, 0x00, 0x06, 0xb9, 0x00, 0x01], // mov si, 7C00h; di, 600h; cx, 100h
    [0xf3, 0xa5, 0xea, 0x1c, 0x06, 0x00, 0x00], // rep movsw; jmp 0000:061Ch
    [0xbe, 0xbe, 0x07, 0xb9, 0x04, 0x00], // mov si, 7BEh; mov cx, 4
    [0xf6, 0x04, 0x80, 0x75, 0x07], // scan: test byte [si], 80h; jnz found
    [0x83, 0xc6, 0x10, 0xe2, 0xf6, 0xcd, 0x18], // add si, 16; loop scan; fail: int 18h
    [0x66, 0x6a, 0x00, 0x66, 0xff, 0x74, 0x08], // found: push dword 0; push dword [si + 8]
    [0x6a, 0x00, 0x68, 0x00, 0x7c, 0x6a, 0x01, 0x6a, 0x10], // push 0; 7C00h; 1; 16
    [0x89, 0xf5, 0x89, 0xe6, 0xb4, 0x42, 0xcd, 0x13], // mov bp, si; si, sp; ah, 42h; int 13h
    [0x89, 0xee, 0xbc, 0x00, 0x7c, 0x72, 0xdf], // mov si, bp; mov sp, 7C00h; jc fail
    [0x81, 0x3e, 0xfe, 0x7d, 0x55, 0xaa, 0x75, 0xd7], // cmp word [7DFEh], AA55h; jne fail
    [0xea, 0x00, 0x7c, 0x00, 0x00], // jmp 0000:7C00h
  ),
);

/** The boot sector of the slice: prints the message with INT 10h and halts. */
export const BOOT_SECTOR_CODE = Uint8Array.from(
  assemble(
    [0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x19, 0x7c, 0xfc], // xor ax, ax; mov ds, ax; mov si, 7C19h; cld
    [0xac, 0x84, 0xc0, 0x74, 0x09], // next: lodsb; test al, al; jz stop
    [0xb4, 0x0e, 0xbb, 0x07, 0x00, 0xcd, 0x10, 0xeb, 0xf2], // mov ah, 0Eh; mov bx, 7; int 10h; jmp
    [0xf4, 0xeb, 0xfd], // stop: hlt; jmp stop
    Array.from(MESSAGE, (character) => character.charCodeAt(0)),
    [0],
  ),
);

/**
 * An EFI application that prints the message with ConOut->OutputString and returns EFI_NOT_FOUND,
 * so that the boot manager goes on to its next option.
 */
export function efiLoader(): Uint8Array {
  const status = new Uint8Array(BigUint64Array.of(EfiStatus.NotFound).buffer);
  const code = assemble(
    [0x48, 0x83, 0xec, 0x28], // sub rsp, 28h
    [0x48, 0x8b, 0x4a, 0x40], // mov rcx, [rdx + 40h]
    [0x48, 0x8d, 0x15, 0x21, 0x00, 0x00, 0x00], // lea rdx, [message]
    [0xff, 0x51, 0x08], // call [rcx + 8]
    [0x48, 0xb8, ...status], // mov rax, status
    [0x48, 0x83, 0xc4, 0x28, 0xc3], // add rsp, 28h; ret
    Array.from({ length: 15 }, () => 0xcc), // int3 up to a multiple of 16
    [...utf16(MESSAGE)],
  );
  return buildEfiApplication({ code: Uint8Array.from(code) });
}
