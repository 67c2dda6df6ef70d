/**
 * MMX and the integer part of SSE and SSE2, opcodes 0F xx. Source: SDM volume 2, Table A-3 and
 * groups 12 to 14 of Table A-6.
 */
export const MMX_SSE_INTEGER = `
# forms on MMX and on XMM registers
np.0f60/r    punpcklbw  Pq,Qd         -                        @mmx
66.0f60/r    punpcklbw  Vdq,Wdq       -                        align @sse2
np.0f61/r    punpcklwd  Pq,Qd         -                        @mmx
66.0f61/r    punpcklwd  Vdq,Wdq       -                        align @sse2
np.0f62/r    punpckldq  Pq,Qd         -                        @mmx
66.0f62/r    punpckldq  Vdq,Wdq       -                        align @sse2
np.0f63/r    packsswb   Pq,Qq         -                        @mmx
66.0f63/r    packsswb   Vdq,Wdq       -                        align @sse2
np.0f64/r    pcmpgtb    Pq,Qq         -                        @mmx
66.0f64/r    pcmpgtb    Vdq,Wdq       -                        align @sse2
np.0f65/r    pcmpgtw    Pq,Qq         -                        @mmx
66.0f65/r    pcmpgtw    Vdq,Wdq       -                        align @sse2
np.0f66/r    pcmpgtd    Pq,Qq         -                        @mmx
66.0f66/r    pcmpgtd    Vdq,Wdq       -                        align @sse2
np.0f67/r    packuswb   Pq,Qq         -                        @mmx
66.0f67/r    packuswb   Vdq,Wdq       -                        align @sse2
np.0f68/r    punpckhbw  Pq,Qq         -                        @mmx
66.0f68/r    punpckhbw  Vdq,Wdq       -                        align @sse2
np.0f69/r    punpckhwd  Pq,Qq         -                        @mmx
66.0f69/r    punpckhwd  Vdq,Wdq       -                        align @sse2
np.0f6a/r    punpckhdq  Pq,Qq         -                        @mmx
66.0f6a/r    punpckhdq  Vdq,Wdq       -                        align @sse2
np.0f6b/r    packssdw   Pq,Qq         -                        @mmx
66.0f6b/r    packssdw   Vdq,Wdq       -                        align @sse2
np.0f74/r    pcmpeqb    Pq,Qq         -                        @mmx
66.0f74/r    pcmpeqb    Vdq,Wdq       -                        align @sse2
np.0f75/r    pcmpeqw    Pq,Qq         -                        @mmx
66.0f75/r    pcmpeqw    Vdq,Wdq       -                        align @sse2
np.0f76/r    pcmpeqd    Pq,Qq         -                        @mmx
66.0f76/r    pcmpeqd    Vdq,Wdq       -                        align @sse2
np.0fd1/r    psrlw      Pq,Qq         -                        @mmx
66.0fd1/r    psrlw      Vdq,Wdq       -                        align @sse2
np.0fd2/r    psrld      Pq,Qq         -                        @mmx
66.0fd2/r    psrld      Vdq,Wdq       -                        align @sse2
np.0fd3/r    psrlq      Pq,Qq         -                        @mmx
66.0fd3/r    psrlq      Vdq,Wdq       -                        align @sse2
np.0fd4/r    paddq      Pq,Qq         -                        @sse2
66.0fd4/r    paddq      Vdq,Wdq       -                        align @sse2
np.0fd5/r    pmullw     Pq,Qq         -                        @mmx
66.0fd5/r    pmullw     Vdq,Wdq       -                        align @sse2
np.0fd8/r    psubusb    Pq,Qq         -                        @mmx
66.0fd8/r    psubusb    Vdq,Wdq       -                        align @sse2
np.0fd9/r    psubusw    Pq,Qq         -                        @mmx
66.0fd9/r    psubusw    Vdq,Wdq       -                        align @sse2
np.0fda/r    pminub     Pq,Qq         -                        @sse
66.0fda/r    pminub     Vdq,Wdq       -                        align @sse2
np.0fdb/r    pand       Pq,Qq         -                        @mmx
66.0fdb/r    pand       Vdq,Wdq       -                        align @sse2
np.0fdc/r    paddusb    Pq,Qq         -                        @mmx
66.0fdc/r    paddusb    Vdq,Wdq       -                        align @sse2
np.0fdd/r    paddusw    Pq,Qq         -                        @mmx
66.0fdd/r    paddusw    Vdq,Wdq       -                        align @sse2
np.0fde/r    pmaxub     Pq,Qq         -                        @sse
66.0fde/r    pmaxub     Vdq,Wdq       -                        align @sse2
np.0fdf/r    pandn      Pq,Qq         -                        @mmx
66.0fdf/r    pandn      Vdq,Wdq       -                        align @sse2
np.0fe0/r    pavgb      Pq,Qq         -                        @sse
66.0fe0/r    pavgb      Vdq,Wdq       -                        align @sse2
np.0fe1/r    psraw      Pq,Qq         -                        @mmx
66.0fe1/r    psraw      Vdq,Wdq       -                        align @sse2
np.0fe2/r    psrad      Pq,Qq         -                        @mmx
66.0fe2/r    psrad      Vdq,Wdq       -                        align @sse2
np.0fe3/r    pavgw      Pq,Qq         -                        @sse
66.0fe3/r    pavgw      Vdq,Wdq       -                        align @sse2
np.0fe4/r    pmulhuw    Pq,Qq         -                        @sse
66.0fe4/r    pmulhuw    Vdq,Wdq       -                        align @sse2
np.0fe5/r    pmulhw     Pq,Qq         -                        @mmx
66.0fe5/r    pmulhw     Vdq,Wdq       -                        align @sse2
np.0fe8/r    psubsb     Pq,Qq         -                        @mmx
66.0fe8/r    psubsb     Vdq,Wdq       -                        align @sse2
np.0fe9/r    psubsw     Pq,Qq         -                        @mmx
66.0fe9/r    psubsw     Vdq,Wdq       -                        align @sse2
np.0fea/r    pminsw     Pq,Qq         -                        @sse
66.0fea/r    pminsw     Vdq,Wdq       -                        align @sse2
np.0feb/r    por        Pq,Qq         -                        @mmx
66.0feb/r    por        Vdq,Wdq       -                        align @sse2
np.0fec/r    paddsb     Pq,Qq         -                        @mmx
66.0fec/r    paddsb     Vdq,Wdq       -                        align @sse2
np.0fed/r    paddsw     Pq,Qq         -                        @mmx
66.0fed/r    paddsw     Vdq,Wdq       -                        align @sse2
np.0fee/r    pmaxsw     Pq,Qq         -                        @sse
66.0fee/r    pmaxsw     Vdq,Wdq       -                        align @sse2
np.0fef/r    pxor       Pq,Qq         -                        @mmx
66.0fef/r    pxor       Vdq,Wdq       -                        align @sse2
np.0ff1/r    psllw      Pq,Qq         -                        @mmx
66.0ff1/r    psllw      Vdq,Wdq       -                        align @sse2
np.0ff2/r    pslld      Pq,Qq         -                        @mmx
66.0ff2/r    pslld      Vdq,Wdq       -                        align @sse2
np.0ff3/r    psllq      Pq,Qq         -                        @mmx
66.0ff3/r    psllq      Vdq,Wdq       -                        align @sse2
np.0ff4/r    pmuludq    Pq,Qq         -                        @sse2
66.0ff4/r    pmuludq    Vdq,Wdq       -                        align @sse2
np.0ff5/r    pmaddwd    Pq,Qq         -                        @mmx
66.0ff5/r    pmaddwd    Vdq,Wdq       -                        align @sse2
np.0ff6/r    psadbw     Pq,Qq         -                        @sse
66.0ff6/r    psadbw     Vdq,Wdq       -                        align @sse2
np.0ff8/r    psubb      Pq,Qq         -                        @mmx
66.0ff8/r    psubb      Vdq,Wdq       -                        align @sse2
np.0ff9/r    psubw      Pq,Qq         -                        @mmx
66.0ff9/r    psubw      Vdq,Wdq       -                        align @sse2
np.0ffa/r    psubd      Pq,Qq         -                        @mmx
66.0ffa/r    psubd      Vdq,Wdq       -                        align @sse2
np.0ffb/r    psubq      Pq,Qq         -                        @sse2
66.0ffb/r    psubq      Vdq,Wdq       -                        align @sse2
np.0ffc/r    paddb      Pq,Qq         -                        @mmx
66.0ffc/r    paddb      Vdq,Wdq       -                        align @sse2
np.0ffd/r    paddw      Pq,Qq         -                        @mmx
66.0ffd/r    paddw      Vdq,Wdq       -                        align @sse2
np.0ffe/r    paddd      Pq,Qq         -                        @mmx
66.0ffe/r    paddd      Vdq,Wdq       -                        align @sse2
66.0f6c/r    punpcklqdq Vdq,Wdq       -                        align @sse2
66.0f6d/r    punpckhqdq Vdq,Wdq       -                        align @sse2

# moves and shuffles
np.0f6e/r    movd       Pq,Ey         -                        @mmx
66.0f6e/r    movd       Vdq,Ey        -                        @sse2
np.0f6f/r    movq       Pq,Qq         -                        @mmx
66.0f6f/r    movdqa     Vdq,Wdq       -                        align @sse2
f3.0f6f/r    movdqu     Vdq,Wdq       -                        @sse2
np.0f70/r    pshufw     Pq,Qq,Ib      -                        @sse
66.0f70/r    pshufd     Vdq,Wdq,Ib    -                        align @sse2
f3.0f70/r    pshufhw    Vdq,Wdq,Ib    -                        align @sse2
f2.0f70/r    pshuflw    Vdq,Wdq,Ib    -                        align @sse2
np.0f77      emms       -             -                        @mmx
np.0f7e/r    movd       Ey,Pd         -                        @mmx
66.0f7e/r    movd       Ey,Vd         -                        @sse2
f3.0f7e/r    movq       Vq,Wq         -                        @sse2
np.0f7f/r    movq       Qq,Pq         -                        @mmx
66.0f7f/r    movdqa     Wdq,Vdq       -                        align @sse2
f3.0f7f/r    movdqu     Wdq,Vdq       -                        @sse2
np.0fc4/r:m  pinsrw     Pq,Mw,Ib      -                        @sse
np.0fc4/r:r  pinsrw     Pq,Rd,Ib      -                        @sse
66.0fc4/r:m  pinsrw     Vdq,Mw,Ib     -                        @sse2
66.0fc4/r:r  pinsrw     Vdq,Rd,Ib     -                        @sse2
np.0fc5/r:r  pextrw     Gd,Nq,Ib      -                        @sse
66.0fc5/r:r  pextrw     Gd,Udq,Ib     -                        @sse2
66.0fd6/r    movq       Wq,Vq         -                        @sse2
f3.0fd6/r:r  movq2dq    Vdq,Nq        -                        @sse2
f2.0fd6/r:r  movdq2q    Pq,Uq         -                        @sse2
np.0fd7/r:r  pmovmskb   Gd,Nq         -                        @sse
66.0fd7/r:r  pmovmskb   Gd,Udq        -                        @sse2
np.0fe7/r:m  movntq     Mq,Pq         -                        @sse
66.0fe7/r:m  movntdq    Mdq,Vdq       -                        align @sse2
f2.0ff0/r:m  lddqu      Vdq,Mdq       -                        @sse3
np.0ff7/r:r  maskmovq   Pq,Nq         -                        @sse +di
66.0ff7/r:r  maskmovdqu Vdq,Udq       -                        @sse2 +di

# groups 12 to 14: shifts by an immediate
np.0f71/2:r  psrlw      Nq,Ib         -                        @mmx
66.0f71/2:r  psrlw      Udq,Ib        -                        @sse2
np.0f71/4:r  psraw      Nq,Ib         -                        @mmx
66.0f71/4:r  psraw      Udq,Ib        -                        @sse2
np.0f71/6:r  psllw      Nq,Ib         -                        @mmx
66.0f71/6:r  psllw      Udq,Ib        -                        @sse2
np.0f72/2:r  psrld      Nq,Ib         -                        @mmx
66.0f72/2:r  psrld      Udq,Ib        -                        @sse2
np.0f72/4:r  psrad      Nq,Ib         -                        @mmx
66.0f72/4:r  psrad      Udq,Ib        -                        @sse2
np.0f72/6:r  pslld      Nq,Ib         -                        @mmx
66.0f72/6:r  pslld      Udq,Ib        -                        @sse2
np.0f73/2:r  psrlq      Nq,Ib         -                        @mmx
66.0f73/2:r  psrlq      Udq,Ib        -                        @sse2
np.0f73/6:r  psllq      Nq,Ib         -                        @mmx
66.0f73/6:r  psllq      Udq,Ib        -                        @sse2
66.0f73/3:r  psrldq     Udq,Ib        -                        @sse2
66.0f73/7:r  pslldq     Udq,Ib        -                        @sse2
`;
