// Starts the Gmail API of the `emulate` package and prints where it listens; ends with its input.
import { createEmulator } from "emulate";

const emulator = await createEmulator({ service: "google", port: Number(process.argv[2]) });
console.log(emulator.url);
process.stdin.resume();
process.stdin.on("end", async () => {
  await emulator.close();
  process.exit(0);
});
