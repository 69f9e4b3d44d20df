// Images: this machine, a folder, and an OCI layout as skopeo and umoci write them.
//   skopeo copy docker://debian:12 oci:images:debian && node --import tsx examples/image.ts oci:images:debian bash -c 'echo $0'
import { Container, Image } from 'nacelle';

const [reference = 'host', ...command] = process.argv.slice(2);
const image = await Image.open(reference);
console.log(`${image.reference}: ${image.layers.length} layers, ${image.size} bytes, digest ${image.digest || 'none'}`);

const result = await Container.run({
  image,
  command: command.length > 0 ? command : ['sh', '-c', 'cat /etc/os-release | head -1; ls -A /root /home | head; ls -l /etc/shadow'],
  // Told while layers are unpacked: the first time only.
  onProgress: ({ digest, status, bytes, total }) => {
    if (status !== 'unpacking' || bytes === total) console.error(`${digest.slice(0, 19)} ${status} ${bytes}/${total}`);
  },
});
process.stdout.write(result.stdout);
process.stderr.write(result.stderr);
console.log(`${result.status}: ${result.reason}`);
