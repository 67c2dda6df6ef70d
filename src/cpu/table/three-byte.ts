/**
 * Opcodes 0F 38 xx and 0F 3A xx. Source: SDM volume 2, Tables.
 */
export const THREE_BYTE = `
# SSSE3
np.0f3800/r  pshufb     Pq,Qq         -                        @ssse3
66.0f3800/r  pshufb     Vdq,Wdq       -                        align @ssse3
np.0f3801/r  phaddw     Pq,Qq         -                        @ssse3
66.0f3801/r  phaddw     Vdq,Wdq       -                        align @ssse3
np.0f3802/r  phaddd     Pq,Qq         -                        @ssse3
66.0f3802/r  phaddd     Vdq,Wdq       -                        align @ssse3
np.0f3803/r  phaddsw    Pq,Qq         -                        @ssse3
66.0f3803/r  phaddsw    Vdq,Wdq       -                        align @ssse3
np.0f3804/r  pmaddubsw  Pq,Qq         -                        @ssse3
66.0f3804/r  pmaddubsw  Vdq,Wdq       -                        align @ssse3
np.0f3805/r  phsubw     Pq,Qq         -                        @ssse3
66.0f3805/r  phsubw     Vdq,Wdq       -                        align @ssse3
np.0f3806/r  phsubd     Pq,Qq         -                        @ssse3
66.0f3806/r  phsubd     Vdq,Wdq       -                        align @ssse3
np.0f3807/r  phsubsw    Pq,Qq         -                        @ssse3
66.0f3807/r  phsubsw    Vdq,Wdq       -                        align @ssse3
np.0f3808/r  psignb     Pq,Qq         -                        @ssse3
66.0f3808/r  psignb     Vdq,Wdq       -                        align @ssse3
np.0f3809/r  psignw     Pq,Qq         -                        @ssse3
66.0f3809/r  psignw     Vdq,Wdq       -                        align @ssse3
np.0f380a/r  psignd     Pq,Qq         -                        @ssse3
66.0f380a/r  psignd     Vdq,Wdq       -                        align @ssse3
np.0f380b/r  pmulhrsw   Pq,Qq         -                        @ssse3
66.0f380b/r  pmulhrsw   Vdq,Wdq       -                        align @ssse3
np.0f381c/r  pabsb      Pq,Qq         -                        @ssse3
66.0f381c/r  pabsb      Vdq,Wdq       -                        align @ssse3
np.0f381d/r  pabsw      Pq,Qq         -                        @ssse3
66.0f381d/r  pabsw      Vdq,Wdq       -                        align @ssse3
np.0f381e/r  pabsd      Pq,Qq         -                        @ssse3
66.0f381e/r  pabsd      Vdq,Wdq       -                        align @ssse3
np.0f3a0f/r  palignr    Pq,Qq,Ib      -                        @ssse3
66.0f3a0f/r  palignr    Vdq,Wdq,Ib    -                        align @ssse3

# SSE4.1
66.0f3810/r  pblendvb   Vdq,Wdq,XMM0  -                        align @sse41
66.0f3814/r  blendvps   Vdq,Wdq,XMM0  -                        align @sse41
66.0f3815/r  blendvpd   Vdq,Wdq,XMM0  -                        align @sse41
66.0f3817/r  ptest      Vdq,Wdq       w=zc,0=osap              align @sse41
66.0f3820/r  pmovsxbw   Vdq,Wq        -                        @sse41
66.0f3821/r  pmovsxbd   Vdq,Wd        -                        @sse41
66.0f3822/r  pmovsxbq   Vdq,Ww        -                        @sse41
66.0f3823/r  pmovsxwd   Vdq,Wq        -                        @sse41
66.0f3824/r  pmovsxwq   Vdq,Wd        -                        @sse41
66.0f3825/r  pmovsxdq   Vdq,Wq        -                        @sse41
66.0f3830/r  pmovzxbw   Vdq,Wq        -                        @sse41
66.0f3831/r  pmovzxbd   Vdq,Wd        -                        @sse41
66.0f3832/r  pmovzxbq   Vdq,Ww        -                        @sse41
66.0f3833/r  pmovzxwd   Vdq,Wq        -                        @sse41
66.0f3834/r  pmovzxwq   Vdq,Wd        -                        @sse41
66.0f3835/r  pmovzxdq   Vdq,Wq        -                        @sse41
66.0f3828/r  pmuldq     Vdq,Wdq       -                        align @sse41
66.0f3829/r  pcmpeqq    Vdq,Wdq       -                        align @sse41
66.0f382b/r  packusdw   Vdq,Wdq       -                        align @sse41
66.0f3838/r  pminsb     Vdq,Wdq       -                        align @sse41
66.0f3839/r  pminsd     Vdq,Wdq       -                        align @sse41
66.0f383a/r  pminuw     Vdq,Wdq       -                        align @sse41
66.0f383b/r  pminud     Vdq,Wdq       -                        align @sse41
66.0f383c/r  pmaxsb     Vdq,Wdq       -                        align @sse41
66.0f383d/r  pmaxsd     Vdq,Wdq       -                        align @sse41
66.0f383e/r  pmaxuw     Vdq,Wdq       -                        align @sse41
66.0f383f/r  pmaxud     Vdq,Wdq       -                        align @sse41
66.0f3840/r  pmulld     Vdq,Wdq       -                        align @sse41
66.0f3841/r  phminposuw Vdq,Wdq       -                        align @sse41
66.0f382a/r:m movntdqa   Vdq,Mdq       -                        align @sse41
66.0f3a08/r  roundps    Vps,Wps,Ib    -                        align @sse41
66.0f3a09/r  roundpd    Vpd,Wpd,Ib    -                        align @sse41
66.0f3a0a/r  roundss    Vss,Wss,Ib    -                        @sse41
66.0f3a0b/r  roundsd    Vsd,Wsd,Ib    -                        @sse41
66.0f3a0c/r  blendps    Vps,Wps,Ib    -                        align @sse41
66.0f3a0d/r  blendpd    Vpd,Wpd,Ib    -                        align @sse41
66.0f3a0e/r  pblendw    Vdq,Wdq,Ib    -                        align @sse41
66.0f3a14/r:m pextrb     Mb,Vdq,Ib     -                        @sse41
66.0f3a14/r:r pextrb     Rd,Vdq,Ib     -                        @sse41
66.0f3a15/r:m pextrw     Mw,Vdq,Ib     -                        @sse41
66.0f3a15/r:r pextrw     Rd,Vdq,Ib     -                        @sse41
66.0f3a16/r  pextrd     Ey,Vdq,Ib     -                        @sse41
66.0f3a17/r  extractps  Ed,Vdq,Ib     -                        @sse41
66.0f3a20/r:m pinsrb     Vdq,Mb,Ib     -                        @sse41
66.0f3a20/r:r pinsrb     Vdq,Rd,Ib     -                        @sse41
66.0f3a21/r  insertps   Vdq,Wss,Ib    -                        @sse41
66.0f3a22/r  pinsrd     Vdq,Ey,Ib     -                        @sse41
66.0f3a40/r  dpps       Vps,Wps,Ib    -                        align @sse41
66.0f3a41/r  dppd       Vpd,Wpd,Ib    -                        align @sse41
66.0f3a42/r  mpsadbw    Vdq,Wdq,Ib    -                        align @sse41

# SSE4.2
66.0f3837/r  pcmpgtq    Vdq,Wdq       -                        align @sse42
66.0f3a60/r  pcmpestrm  Vdq,Wdq,Ib    w=oszc,0=ap              @sse42 +ax,dx,xmm0
66.0f3a61/r  pcmpestri  Vdq,Wdq,Ib    w=oszc,0=ap              @sse42 +ax,cx,dx
66.0f3a62/r  pcmpistrm  Vdq,Wdq,Ib    w=oszc,0=ap              @sse42 +xmm0
66.0f3a63/r  pcmpistri  Vdq,Wdq,Ib    w=oszc,0=ap              @sse42 +cx
f2.0f38f0/r  crc32      Gy,Eb         -                        @sse42
f2.0f38f1/r  crc32      Gy,Ev         -                        @sse42

# AES and PCLMULQDQ
66.0f38db/r  aesimc     Vdq,Wdq       -                        align @aes
66.0f38dc/r  aesenc     Vdq,Wdq       -                        align @aes
66.0f38dd/r  aesenclast Vdq,Wdq       -                        align @aes
66.0f38de/r  aesdec     Vdq,Wdq       -                        align @aes
66.0f38df/r  aesdeclast Vdq,Wdq       -                        align @aes
66.0f3adf/r  aeskeygenassist Vdq,Wdq,Ib    -                        align @aes
66.0f3a44/r  pclmulqdq  Vdq,Wdq,Ib    -                        align @pclmulqdq

# MOVBE
nf.0f38f0/r:m movbe      Gv,Mv         -                        @movbe
nf.0f38f1/r:m movbe      Mv,Gv         -                        @movbe
`;
