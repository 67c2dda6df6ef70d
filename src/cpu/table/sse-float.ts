/**
 * SSE, SSE2 and SSE3 floating point, opcodes 0F xx. Source: SDM volume 2, Table A-3.
 */
export const SSE_FLOAT = `
# moves
np.0f10/r    movups     Vps,Wps       -                        @sse
66.0f10/r    movupd     Vpd,Wpd       -                        @sse2
f3.0f10/r    movss      Vss,Wss       -                        @sse
f2.0f10/r    movsd      Vsd,Wsd       -                        @sse2
np.0f11/r    movups     Wps,Vps       -                        @sse
66.0f11/r    movupd     Wpd,Vpd       -                        @sse2
f3.0f11/r    movss      Wss,Vss       -                        @sse
f2.0f11/r    movsd      Wsd,Vsd       -                        @sse2
np.0f12/r:m  movlps     Vq,Mq         -                        @sse
np.0f12/r:r  movhlps    Vq,Uq         -                        @sse
66.0f12/r:m  movlpd     Vq,Mq         -                        @sse2
f3.0f12/r    movsldup   Vps,Wps       -                        align @sse3
f2.0f12/r    movddup    Vpd,Wsd       -                        @sse3
np.0f13/r:m  movlps     Mq,Vq         -                        @sse
66.0f13/r:m  movlpd     Mq,Vq         -                        @sse2
np.0f14/r    unpcklps   Vps,Wps       -                        align @sse
66.0f14/r    unpcklpd   Vpd,Wpd       -                        align @sse2
np.0f15/r    unpckhps   Vps,Wps       -                        align @sse
66.0f15/r    unpckhpd   Vpd,Wpd       -                        align @sse2
np.0f16/r:m  movhps     Vq,Mq         -                        @sse
np.0f16/r:r  movlhps    Vq,Uq         -                        @sse
66.0f16/r:m  movhpd     Vq,Mq         -                        @sse2
f3.0f16/r    movshdup   Vps,Wps       -                        align @sse3
np.0f17/r:m  movhps     Mq,Vq         -                        @sse
66.0f17/r:m  movhpd     Mq,Vq         -                        @sse2
np.0f28/r    movaps     Vps,Wps       -                        align @sse
66.0f28/r    movapd     Vpd,Wpd       -                        align @sse2
np.0f29/r    movaps     Wps,Vps       -                        align @sse
66.0f29/r    movapd     Wpd,Vpd       -                        align @sse2
np.0f2b/r:m  movntps    Mps,Vps       -                        align @sse
66.0f2b/r:m  movntpd    Mpd,Vpd       -                        align @sse2
np.0f50/r:r  movmskps   Gd,Ups        -                        @sse
66.0f50/r:r  movmskpd   Gd,Upd        -                        @sse2

# conversions between integers and floating point
np.0f2a/r    cvtpi2ps   Vps,Qq        -                        @sse
66.0f2a/r    cvtpi2pd   Vpd,Qq        -                        @sse2
f3.0f2a/r    cvtsi2ss   Vss,Ey        -                        @sse
f2.0f2a/r    cvtsi2sd   Vsd,Ey        -                        @sse2
np.0f2c/r    cvttps2pi  Pq,Wq         -                        @sse
66.0f2c/r    cvttpd2pi  Pq,Wpd        -                        align @sse2
f3.0f2c/r    cvttss2si  Gy,Wss        -                        @sse
f2.0f2c/r    cvttsd2si  Gy,Wsd        -                        @sse2
np.0f2d/r    cvtps2pi   Pq,Wq         -                        @sse
66.0f2d/r    cvtpd2pi   Pq,Wpd        -                        align @sse2
f3.0f2d/r    cvtss2si   Gy,Wss        -                        @sse
f2.0f2d/r    cvtsd2si   Gy,Wsd        -                        @sse2
np.0f2e/r    ucomiss    Vss,Wss       w=zpc,0=osa              @sse
66.0f2e/r    ucomisd    Vsd,Wsd       w=zpc,0=osa              @sse2
np.0f2f/r    comiss     Vss,Wss       w=zpc,0=osa              @sse
66.0f2f/r    comisd     Vsd,Wsd       w=zpc,0=osa              @sse2
np.0f5a/r    cvtps2pd   Vpd,Wq        -                        @sse2
66.0f5a/r    cvtpd2ps   Vps,Wpd       -                        align @sse2
f3.0f5a/r    cvtss2sd   Vsd,Wss       -                        @sse2
f2.0f5a/r    cvtsd2ss   Vss,Wsd       -                        @sse2
np.0f5b/r    cvtdq2ps   Vps,Wdq       -                        align @sse2
66.0f5b/r    cvtps2dq   Vdq,Wps       -                        align @sse2
f3.0f5b/r    cvttps2dq  Vdq,Wps       -                        align @sse2
66.0fe6/r    cvttpd2dq  Vq,Wpd        -                        align @sse2
f3.0fe6/r    cvtdq2pd   Vpd,Wq        -                        @sse2
f2.0fe6/r    cvtpd2dq   Vq,Wpd        -                        align @sse2

# arithmetic and logic
np.0f51/r    sqrtps     Vps,Wps       -                        align @sse
66.0f51/r    sqrtpd     Vpd,Wpd       -                        align @sse2
f3.0f51/r    sqrtss     Vss,Wss       -                        @sse
f2.0f51/r    sqrtsd     Vsd,Wsd       -                        @sse2
np.0f52/r    rsqrtps    Vps,Wps       -                        align @sse
f3.0f52/r    rsqrtss    Vss,Wss       -                        @sse
np.0f53/r    rcpps      Vps,Wps       -                        align @sse
f3.0f53/r    rcpss      Vss,Wss       -                        @sse
np.0f54/r    andps      Vps,Wps       -                        align @sse
66.0f54/r    andpd      Vpd,Wpd       -                        align @sse2
np.0f55/r    andnps     Vps,Wps       -                        align @sse
66.0f55/r    andnpd     Vpd,Wpd       -                        align @sse2
np.0f56/r    orps       Vps,Wps       -                        align @sse
66.0f56/r    orpd       Vpd,Wpd       -                        align @sse2
np.0f57/r    xorps      Vps,Wps       -                        align @sse
66.0f57/r    xorpd      Vpd,Wpd       -                        align @sse2
np.0f58/r    addps      Vps,Wps       -                        align @sse
66.0f58/r    addpd      Vpd,Wpd       -                        align @sse2
f3.0f58/r    addss      Vss,Wss       -                        @sse
f2.0f58/r    addsd      Vsd,Wsd       -                        @sse2
np.0f59/r    mulps      Vps,Wps       -                        align @sse
66.0f59/r    mulpd      Vpd,Wpd       -                        align @sse2
f3.0f59/r    mulss      Vss,Wss       -                        @sse
f2.0f59/r    mulsd      Vsd,Wsd       -                        @sse2
np.0f5c/r    subps      Vps,Wps       -                        align @sse
66.0f5c/r    subpd      Vpd,Wpd       -                        align @sse2
f3.0f5c/r    subss      Vss,Wss       -                        @sse
f2.0f5c/r    subsd      Vsd,Wsd       -                        @sse2
np.0f5d/r    minps      Vps,Wps       -                        align @sse
66.0f5d/r    minpd      Vpd,Wpd       -                        align @sse2
f3.0f5d/r    minss      Vss,Wss       -                        @sse
f2.0f5d/r    minsd      Vsd,Wsd       -                        @sse2
np.0f5e/r    divps      Vps,Wps       -                        align @sse
66.0f5e/r    divpd      Vpd,Wpd       -                        align @sse2
f3.0f5e/r    divss      Vss,Wss       -                        @sse
f2.0f5e/r    divsd      Vsd,Wsd       -                        @sse2
np.0f5f/r    maxps      Vps,Wps       -                        align @sse
66.0f5f/r    maxpd      Vpd,Wpd       -                        align @sse2
f3.0f5f/r    maxss      Vss,Wss       -                        @sse
f2.0f5f/r    maxsd      Vsd,Wsd       -                        @sse2
66.0f7c/r    haddpd     Vpd,Wpd       -                        align @sse3
f2.0f7c/r    haddps     Vps,Wps       -                        align @sse3
66.0f7d/r    hsubpd     Vpd,Wpd       -                        align @sse3
f2.0f7d/r    hsubps     Vps,Wps       -                        align @sse3
np.0fc2/r    cmpps      Vps,Wps,Ib    -                        align @sse
66.0fc2/r    cmppd      Vpd,Wpd,Ib    -                        align @sse2
f3.0fc2/r    cmpss      Vss,Wss,Ib    -                        @sse
f2.0fc2/r    cmpsd      Vsd,Wsd,Ib    -                        @sse2
np.0fc6/r    shufps     Vps,Wps,Ib    -                        align @sse
66.0fc6/r    shufpd     Vpd,Wpd,Ib    -                        align @sse2
66.0fd0/r    addsubpd   Vpd,Wpd       -                        align @sse3
f2.0fd0/r    addsubps   Vps,Wps       -                        align @sse3
`;
