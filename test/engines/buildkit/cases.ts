/** What both builders build, and what has to come out the same. */
export interface BuildCase {
  readonly name: string;
  /** Makes the context, in its folder, by a shell. */
  readonly context?: string;
  readonly file: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** Why ours is another on purpose. */
  readonly differs?: string;
}

export const FILES = 'mkdir -p d/e; echo a > a; echo b > b; echo c > d/c; echo f > d/e/f; chmod 640 b; chmod 700 d/e';
export const on = (...lines: string[]): string => ['FROM test/base:1', ...lines].join('\n');

export const BUILD_CASES: readonly BuildCase[] = [
  // COPY: where it goes
  { name: 'COPY file to file', context: FILES, file: on('COPY a /x', 'COPY a /new/y', 'COPY b /etc/') },
  { name: 'COPY file to folder with and without slash', context: FILES, file: on('COPY a /var', 'COPY b /var/', 'COPY a b /w/') },
  { name: 'COPY folder', context: FILES, file: on('COPY d /x', 'COPY d /y/', 'COPY d/ /z', 'COPY d/e /var') },
  { name: 'COPY folder onto folder', context: `${FILES}; chmod 711 d`, file: on('COPY d /var', 'COPY d /tmp', 'COPY . /all') },
  {
    name: 'COPY wildcards',
    context: `${FILES}; touch ax ay 'a[1'`,
    file: on('COPY a* /x/', 'COPY ?? /y/', 'COPY d/* /z/', 'COPY */* /q/'),
  },
  { name: 'COPY wildcard without match', context: FILES, file: on('COPY none* /x/', 'RUN ls /') },
  { name: 'COPY missing', context: FILES, file: on('COPY none /x/') },
  { name: 'COPY wildcard of folders into folder', context: `${FILES}; mkdir d2; echo g > d2/g`, file: on('COPY d* /x/') },
  { name: 'COPY many to a file', context: FILES, file: on('COPY a b /x') },
  { name: 'COPY two of one name', context: `${FILES}; echo other > d/a`, file: on('COPY a d/a /x/') },
  { name: 'COPY dot in WORKDIR', context: FILES, file: on('WORKDIR /w/x', 'COPY a .', 'COPY b ./n', 'COPY d ../up/') },
  { name: 'COPY through a link of the target', context: FILES, file: on('COPY a /link/', 'COPY d /link/d') },
  {
    name: 'COPY through made links',
    context: FILES,
    file: on('RUN ln -s /var /l && ln -s none /broken && ln -s ../../../tmp /var/up', 'COPY a /l/', 'COPY a /var/up/'),
  },
  { name: 'COPY to a link of a file', context: FILES, file: on('RUN echo x > /var/t && ln -s /var/t /lf', 'COPY a /lf') },
  { name: 'COPY to a broken link', context: FILES, file: on('RUN ln -s /var/none /lb', 'COPY a /lb') },
  { name: 'COPY file onto folder of its name', context: FILES, file: on('RUN mkdir -p /x/a', 'COPY a /x/') },
  { name: 'COPY folder onto file', context: FILES, file: on('RUN mkdir /x && touch /x/e', 'COPY d /x') },
  { name: 'COPY folder onto link', context: FILES, file: on('RUN mkdir /x && ln -s /var /x/e', 'COPY d /x') },
  { name: 'COPY source paths cleaned', context: FILES, file: on('COPY ../a /x', 'COPY /d/../b /y', 'COPY ./d/./e/ /z/') },
  {
    name: 'COPY links in the context',
    context: `${FILES}; ln -s a la; ln -s d ld; ln -s /etc/passwd lp; ln -s none ln; mkdir s; ln -s ../a s/up`,
    file: on('COPY la /x', 'COPY ld /y', 'COPY s /s', 'COPY ld/c /c'),
  },
  { name: 'COPY of all links', context: `${FILES}; ln -s a la; ln -s d ld; ln -s none ln`, file: on('COPY . /x/') },
  { name: 'COPY link by wildcard', context: `${FILES}; ln -s a la; ln -s d ld`, file: on('COPY l* /x/') },
  { name: 'COPY hard links', context: 'mkdir h; echo a > h/a; ln h/a h/b; ln h/a c', file: on('COPY h /x', 'COPY . /y') },
  {
    name: 'COPY hard links by two names',
    context: 'mkdir h; echo a > h/a; ln h/a h/b',
    file: on('COPY h/a h/b /z/'),
    differs: 'they stay one file; BuildKit copies each source by itself',
  },
  { name: 'COPY sparse', context: 'truncate -s 5M s; echo end >> s', file: on('COPY s /x') },
  {
    name: 'COPY modes',
    context: 'touch a b c; chmod 4755 a; chmod 2711 b; chmod 000 c; mkdir s; chmod 1777 s',
    file: on('COPY . /x/', 'COPY s /y'),
  },
  {
    name: 'COPY extended attributes',
    context: 'echo a > a; setfattr -n user.k -v v a; mkdir d; setfattr -n user.d -v w d; touch d/x',
    file: on('COPY a /x', 'COPY . /y/'),
    differs:
      "those of users are kept; BuildKit shows them to RUN and writes them into a tar, and its images' layers have capabilities alone",
  },
  {
    name: 'COPY names',
    context: "touch -- 'a b' 'ü' '-x' 'q\"q' \"s's\"; mkdir 'sp ace'; touch 'sp ace/f'",
    file: on('COPY ["a b", "ü", "/x y/"]', 'COPY "sp ace" /z/', 'COPY -- -x /w/', 'COPY . /all/'),
  },
  { name: 'COPY nothing', context: 'mkdir empty', file: on('COPY empty /x', 'COPY empty/ /y/') },
  { name: 'COPY long name', context: 'n=$(printf "%0200d" 0); mkdir -p $n/$n; touch $n/$n/$n', file: on('COPY . /x/') },
  { name: 'COPY to root', context: FILES, file: on('COPY . /') },
  { name: 'COPY scratch', context: FILES, file: 'FROM scratch\nCOPY d /\nCOPY a /x/y/' },
  // owners and modes
  {
    name: '--chown by names',
    context: FILES,
    file: on(
      'COPY --chown=app a /x/',
      'COPY --chown=app:web d /y',
      'COPY --chown=7 a /n7',
      'COPY --chown=7:8 d /n78/',
      'COPY --chown=app:0 b /deep/er/b',
    ),
  },
  {
    name: '--chown unknown',
    context: FILES,
    file: on('COPY --chown=none a /x'),
    differs: 'a name that is not there is an error; BuildKit takes root',
  },
  { name: '--chown onto existing', context: FILES, file: on('COPY --chown=app d /var', 'COPY --chown=app a /var/') },
  { name: '--chown of a variable', context: FILES, file: on('ARG U=app', 'COPY --chown=$U:${G:-web} a /x') },
  {
    name: '--chmod octal',
    context: FILES,
    file: on(
      'COPY --chmod=600 d /x',
      'COPY --chmod=4755 a /y',
      'COPY --chmod=0711 . /z/',
      'COPY --chmod=700 d /var',
      'COPY --chmod=600 a /var/n/',
    ),
  },
  {
    name: '--chmod symbolic',
    context: FILES,
    file: on('COPY --chmod=u=rwX,go=rX d /x', 'COPY --chmod=+x a /y', 'COPY --chmod=a-r,g+w b /z', 'COPY --chmod=u+s,o= d /w'),
  },
  { name: '--chmod of links', context: `${FILES}; ln -s a d/l`, file: on('COPY --chmod=600 d /x') },
  { name: '--chmod makes folders', context: FILES, file: on('COPY --chmod=600 a /p/q/r') },
  { name: '--chmod wrong', context: FILES, file: on('COPY --chmod=999 a /x') },
  // ignore files, exclude
  {
    name: '--exclude',
    context: FILES,
    file: on('COPY --exclude=*.x --exclude=d/e . /x/', 'COPY --exclude=c d /y', 'COPY --exclude=e d /z/'),
  },
  {
    name: '--exclude with **',
    context: `${FILES}; touch d/e/g.log x.log`,
    file: on('COPY --exclude=**/*.log . /x/', 'COPY --exclude=* d /y', 'COPY --exclude=e/f d /w'),
  },
  { name: '--exclude of a single file', context: FILES, file: on('COPY --exclude=a a b /x/') },
  { name: 'ignore', context: `${FILES}; printf '*.log\\nd/e\\n' > .dockerignore; touch x.log d/y.log`, file: on('COPY . /x/') },
  { name: 'ignore negated', context: `${FILES}; printf 'd\\n!d/e/f\\n' > .dockerignore`, file: on('COPY . /x/', 'COPY d /y') },
  { name: 'ignore all but', context: `${FILES}; printf '**\\n!a\\n!d/c\\n' > .dockerignore`, file: on('COPY . /x/') },
  { name: 'ignore all but, deep', context: `${FILES}; printf '*\\n!d\\nd/e\\n!**/f\\n' > .dockerignore`, file: on('COPY . /x/') },
  { name: 'ignored source', context: `${FILES}; echo a > .dockerignore`, file: on('COPY a /x') },
  { name: 'ignored by wildcard', context: `${FILES}; echo a > .dockerignore`, file: on('COPY a* /x/') },
  { name: 'ignore the ignore file', context: `${FILES}; printf 'Dockerfile\\n.dockerignore\\n' > .dockerignore`, file: on('COPY . /x/') },
  {
    name: 'ignore patterns',
    context:
      "mkdir -p s/t; touch 'a.md' 'README.md' s/b.md s/t/c.md 'x+y' '[z]'; printf '# c\\n *.md \\n!README*.md\\n/s/t/\\nx+y\\n\\\\[z]\\n' > .dockerignore",
    file: on('COPY . /x/'),
  },
  // --from
  {
    name: '--from a stage',
    file: 'FROM test/base:1 AS one\nRUN mkdir -p /o/p && echo x > /o/p/f && chown -R app:web /o && chmod 700 /o/p && ln -s p/f /o/l && ln /o/p/f /o/h\nFROM test/base:1\nCOPY --from=one /o /x\nCOPY --from=0 --chown=0:0 /o/l /y\nCOPY --from=one /o/p /z/\nCOPY --from=one /o/./p/f /w',
  },
  {
    name: '--from an image',
    file: 'FROM scratch\nCOPY --from=test/base:1 /etc/passwd /\nCOPY --from=test/base:1 /link /l\nCOPY --from=test/base:1 /bin/cat /bin/',
  },
  {
    name: '--from through links',
    file: 'FROM test/base:1 AS one\nRUN mkdir /t && echo x > /t/f && ln -s /t /abs && ln -s t /rel && ln -s /../../t /up\nFROM test/base:1\nCOPY --from=one /abs/f /1\nCOPY --from=one /rel /2\nCOPY --from=one /up/f /3',
  },
  {
    name: '--from wildcards',
    file: 'FROM test/base:1 AS one\nRUN mkdir -p /t/a1 /t/a2 && touch /t/a1/x /t/a2/y /t/b\nFROM test/base:1\nCOPY --from=one /t/a* /o/\nCOPY --from=one /t/*/x /p/',
  },
  {
    name: '--from with setuid, capabilities and attributes',
    file: 'FROM test/base:1 AS one\nRUN echo > /f && chown app /f && chmod 6755 /f\nFROM scratch\nCOPY --from=one /f /f\nCOPY --from=one --chmod=755 /f /g\nCOPY --from=one --chown=1:1 /f /h',
  },
  {
    name: 'stage on a stage',
    file: 'ARG V=1\nFROM test/base:1 AS one\nARG V\nENV A=$V\nWORKDIR /w\nUSER app\nCMD ["x"]\nFROM one AS two\nRUN echo $A $V > /tmp/f\nENTRYPOINT ["y"]\nFROM two\nRUN (id -u; id -g; id -un) > /tmp/g',
  },
  {
    name: 'target',
    file: 'FROM test/base:1 AS one\nRUN echo 1 > /1\nFROM one AS two\nRUN echo 2 > /2\nFROM two\nRUN false',
    target: 'two',
  },
  // WORKDIR, USER
  { name: 'WORKDIR', file: on('WORKDIR /a/b', 'WORKDIR c', 'WORKDIR ../d', 'WORKDIR e/', 'RUN pwd > f', 'WORKDIR /') },
  {
    name: 'WORKDIR with USER',
    file: on('USER app', 'WORKDIR /home/app/x', 'USER 5:6', 'WORKDIR /n/m', 'USER app:web', 'WORKDIR /o', 'USER nobody', 'WORKDIR rel'),
  },
  {
    name: 'WORKDIR with variables and quotes',
    file: on('ENV D=/q', 'WORKDIR $D/r', 'WORKDIR "/s t"', "WORKDIR '/u v'", 'WORKDIR ${X:-/y}/z/'),
  },
  { name: 'WORKDIR through a link', file: on('WORKDIR /link/x', 'RUN pwd') },
  { name: 'WORKDIR on a file', file: on('WORKDIR /etc/passwd') },
  {
    name: 'USER forms',
    file: on(
      'USER app',
      'RUN (id -u; id -g; id -un) > /tmp/1',
      'USER 1000',
      'RUN (id -u; id -g; id -un) > /tmp/2',
      'USER app:web',
      'RUN (id -u; id -g; id -un) > /tmp/3',
      'USER 12:34',
      'RUN (id -u; id -g; id -un) > /tmp/4',
      'ARG U=nobody',
      'USER $U',
    ),
  },
  { name: 'USER unknown', file: on('USER ghost', 'RUN true') },
  { name: 'USER unknown not used', file: on('USER ghost', 'ENV a=b') },
  // ENV, ARG
  {
    name: 'ENV forms',
    file: on(
      'ENV A=1 B="two words" C=three\\ words D=\'single $A\'',
      'ENV E some old  text ',
      'ENV F=$A-${B} G=${NONE:-x} H=${A:+y} I=\\$A',
      'ENV A=2 J=$A',
      'RUN env | grep -v HOSTNAME | sort > /env',
    ),
  },
  {
    name: 'ENV patterns',
    file: on('ENV P=/usr/local/lib.tar.gz', 'ENV A=${P#*/} B=${P##*/} C=${P%.*} D=${P%%.*} E=${P/local/x} F=${P//l/L} G=${P/#x/y}'),
  },
  { name: 'ENV escapes', file: on('ENV A="a\\"b" B=a\\\\b C=\'a\\b\' D="a\\nb" E=a\\nb F="\\$x" G=$$ H="" I=') },
  { name: 'ENV continued', file: on('ENV A=1 \\', '    # comment', '    B=2 \\', '    C="a \\', 'b"') },
  {
    name: 'ARG',
    file: 'ARG G=global\nARG T=1\nFROM test/base:$T\nARG G\nARG L=local M\nARG N=$L$G O=${P:-q}\nENV E=$G-$L-$M-$N\nRUN env | grep -v HOSTNAME | sort > /env\nENV L=env\nRUN echo $L > /l\nARG L=again\nRUN echo $L > /m',
    args: { M: 'm', NONE: 'x' },
  },
  { name: 'ARG given', file: on('ARG A=1', 'ARG B', 'RUN echo $A $B > /x', 'LABEL a=$A b=$B'), args: { A: '2', B: 'x y' } },
  {
    name: 'ARG automatic',
    file: on(
      'ARG TARGETPLATFORM BUILDPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDOS BUILDARCH TARGETSTAGE',
      'RUN env | grep -v HOSTNAME | sort > /env',
    ),
  },
  { name: 'ARG proxy', file: on('RUN echo $HTTP_PROXY $no_proxy > /x'), args: { HTTP_PROXY: 'http://p:1', no_proxy: 'a' } },
  {
    name: 'ENV expands in all',
    differs: 'a WORKDIR that is there makes no layer',
    context: FILES,
    file: on(
      'ENV F=a D=/x U=app',
      'COPY $F $D/',
      'WORKDIR $D',
      'USER $U',
      'VOLUME $D/v',
      'EXPOSE ${P:-80}',
      'STOPSIGNAL ${S:-9}',
      'LABEL l=$F',
      'ENTRYPOINT echo $F',
      'CMD ["$F"]',
    ),
  },
  { name: 'WORKDIR that is not clean', file: on('WORKDIR /y//z/../w'), differs: 'the path is cleaned' },
  // configuration
  {
    name: 'LABEL',
    file: on(
      'LABEL a=1 "b c"="d e" f=\'g\' h.i=j\\ k',
      'LABEL old form  here',
      'LABEL a=2',
      'LABEL multi="line \\',
      'two"',
      'LABEL empty=',
    ),
  },
  { name: 'EXPOSE', file: on('EXPOSE 80 443/tcp 53/udp 8000-8003 9000-9001/udp 7/sctp', 'EXPOSE 80/TCP', 'EXPOSE "81"') },
  { name: 'EXPOSE host ports', file: on('EXPOSE 8080:80 127.0.0.1:81:82/udp 90-91:92-93') },
  { name: 'EXPOSE wrong', file: on('EXPOSE 70000') },
  { name: 'VOLUME', file: on('VOLUME /a /b', 'VOLUME ["/c d", "/e"]', 'RUN mkdir -p /a && echo x > /a/f', 'VOLUME rel') },
  {
    name: 'CMD and ENTRYPOINT',
    file: 'FROM test/base:1 AS b\nCMD ["a"]\nENTRYPOINT ["e"]\nFROM b AS c\nENTRYPOINT ["f", "g"]\nFROM c\nCMD echo "x  y" $Z && w',
  },
  { name: 'CMD kept, ENTRYPOINT empty', file: on('CMD ["a"]', 'ENTRYPOINT []') },
  { name: 'CMD empty', file: on('CMD ["a"]', 'CMD []') },
  { name: 'SHELL', file: on('SHELL ["/bin/sh", "-xc"]', 'RUN echo a > /a', 'CMD b', 'ENTRYPOINT c d', 'HEALTHCHECK CMD e') },
  {
    name: 'HEALTHCHECK',
    file: on(
      'HEALTHCHECK --interval=5s --timeout=1m30s --start-period=100ms --start-interval=2s --retries=3 CMD curl -f http://x || exit 1',
    ),
  },
  { name: 'HEALTHCHECK JSON and NONE', file: 'FROM test/base:1 AS a\nHEALTHCHECK CMD ["a", "b"]\nFROM a\nHEALTHCHECK NONE' },
  { name: 'STOPSIGNAL, MAINTAINER', file: on('STOPSIGNAL SIGQUIT', 'MAINTAINER Some One <some@one> $PATH', 'STOPSIGNAL 9') },
  { name: 'STOPSIGNAL wrong', file: on('STOPSIGNAL SIGNOPE') },
  {
    name: 'ONBUILD',
    context: FILES,
    file: 'FROM test/base:1 AS base\nONBUILD COPY a /from-onbuild\nONBUILD RUN echo ran > /ran\nONBUILD ENV O=1\nFROM base',
  },
  { name: 'ONBUILD kept in the image', file: on('ONBUILD RUN echo "x" \\', '  && y', 'ONBUILD COPY --from=x a b', 'onbuild env a=b') },
  { name: 'lower case', context: FILES, file: 'from test/base:1 as x\ncopy a /a\nrun echo b > /b\ncmd ["c"]\nlabel a=b' },
  // RUN
  {
    name: 'RUN changes',
    file: on(
      'RUN echo a > /a && mkdir -p /d/e && ln -s a /l && ln /a /h && rm /etc/group && chown app /d && chmod 1770 /d && mkfifo /fifo',
      'RUN rm -r /d && mkdir /d && touch /d/new',
      'RUN mv /a /a2 && rm /link',
    ),
  },
  { name: 'RUN JSON', file: on('RUN ["/bin/sh", "-c", "echo $HOME $0 > /x", "zero"]', 'RUN [ "a" = "a" ] && echo yes > /y') },
  {
    name: 'RUN heredocs',
    file: on(
      'RUN <<E',
      'echo a > /a',
      'echo "$PATH" > /b',
      'E',
      'RUN <<"E" cat > /c',
      '$x',
      'E',
      'RUN cat <<A <<B > /d',
      'a',
      'A',
      'b',
      'B',
      'RUN <<-E',
      '\techo tab > /e',
      '\tE',
      'RUN <<E',
      '#!/bin/cat',
      'text',
      'E',
    ),
  },
  {
    name: 'COPY heredocs',
    file: on(
      'ENV V=v',
      'COPY <<E /x',
      'a $V ${V:-w} \\$V "q"',
      'E',
      "COPY <<'E' /y",
      'a $V',
      'E',
      'COPY <<a.txt <<b.txt /z/',
      'A',
      'a.txt',
      'B',
      'b.txt',
      'COPY --chmod=755 --chown=app <<-E /w/run',
      '\ttabs',
      '\tE',
    ),
  },
  { name: 'RUN continued', file: on('RUN echo a \\', '  # a comment', '', '  b > /x && \\', '  echo c > /y') },
  {
    name: 'RUN environment',
    file: on(
      'RUN pwd > /1; hostname > /2; id -u > /3; env | grep -v HOSTNAME | sort > /4; umask > /5; wc -c > /6; cat /etc/hosts > /dev/null; ls /dev > /7',
    ),
  },
  { name: 'RUN that changes nothing', file: on('RUN true', 'RUN cat /etc/passwd > /dev/null') },
  {
    name: 'RUN removes what a layer below has',
    file: on('RUN mkdir -p /t/u && touch /t/u/f /t/g', 'RUN rm -r /t/u', 'RUN rm /t/g && rmdir /t', 'RUN mkdir /t && touch /t/z'),
  },
  {
    name: 'RUN touches a file of below',
    file: on('RUN chmod 600 /etc/passwd', 'RUN touch -d @1000000000 /etc/group', 'RUN chown app:web /var'),
  },
  { name: 'RUN fails', file: on('RUN exit 3') },
  { name: 'RUN --network=none', file: on('RUN --network=none ls /sys/class/net > /x') },
  // ADD
  { name: 'ADD files', context: FILES, file: on('ADD a /x', 'ADD d /y/', 'ADD --chown=app --chmod=600 b /z/') },
  { name: 'ADD without unpacking', context: `${FILES}; tar -cf t.tar a d`, file: on('ADD --unpack=false t.tar /x/') },
  // the file itself
  { name: 'escape', file: '# escape=`\nFROM test/base:1\nRUN echo a `\n  b > /x\nENV A=c:\\d `\n  B=`$A' },
  { name: 'CRLF', context: FILES, file: 'FROM test/base:1\r\nRUN echo a > /a && \\\r\n  echo b > /b\r\nCOPY a /x\r\nENV A=b\r\n' },
  { name: 'BOM and comments', context: FILES, file: '\uFEFF# a comment\n  # indented\n\n  FROM test/base:1\n\tCOPY a /x # no comment\n' },
  {
    name: 'history of all',
    context: FILES,
    file: 'FROM scratch AS s\nCOPY a /\nFROM test/base:1\nARG A=1\nRUN  echo   spaced  > /x\nCOPY   --from=s   /a   /b\ncopy --chown=app --chmod=644 a b /y/\nEXPOSE 80   81\nENV   a=b\nCMD  [ "a" ,  "b" ]\nENTRYPOINT   x   y\nLABEL   x=y   z=w\nVOLUME   /v\nUSER   app\nWORKDIR   w\nSTOPSIGNAL   9\nHEALTHCHECK  --retries=1   CMD   x\nSHELL [ "/bin/sh" ,"-c"]\nONBUILD   RUN   x\nMAINTAINER   me',
  },
];
