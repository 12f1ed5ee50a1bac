import javax.inject.Inject

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.compose)
}

android {
    namespace = "io.github.tfcompress.demo.app"
    compileSdk = 36

    defaultConfig {
        applicationId = "io.github.tfcompress.demo"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
        ndk { abiFilters += listOf("arm64-v8a", "x86_64") }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    buildFeatures { compose = true }

    // Packed models do not get smaller once more.
    androidResources { noCompress += listOf("tfz", "tflite") }

    // Stored and aligned to 16 KB, libraries are loaded from the APK on devices with pages of either size.
    packaging { jniLibs { useLegacyPackaging = false } }
}

/** Takes from a demo folder what the app ships: the models packed only. */
abstract class DemoAssets : DefaultTask() {
    @get:InputDirectory
    abstract val demo: DirectoryProperty

    @get:OutputDirectory
    abstract val assets: DirectoryProperty

    @get:Inject
    abstract val files: FileSystemOperations

    @TaskAction
    fun copy() {
        files.sync {
            from(demo) {
                include("demo.json", "models/*.tfz", "images/*.png")
                into("demo")
            }
            into(assets)
        }
    }
}

// The folder that tfcompress export-demo wrote: -Pdemo=FOLDER, or what tools/demo made.
val demoFolder = providers.gradleProperty("demo").orElse("../../runs/demo/app")

androidComponents {
    onVariants { variant ->
        val copied = tasks.register<DemoAssets>("${variant.name}DemoAssets") {
            demo = rootProject.layout.projectDirectory.dir(demoFolder)
        }
        variant.sources.assets?.addGeneratedSourceDirectory(copied, DemoAssets::assets)
    }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.coroutines.android)
    implementation(libs.litert)
    implementation(libs.litert.gpu)
    implementation(platform(libs.compose.bom))
    implementation(libs.compose.foundation)
    implementation(libs.compose.ui)
    implementation(libs.compose.material3)
    implementation(libs.activity.compose)
    implementation(libs.lifecycle.viewmodel)
    implementation(libs.lifecycle.compose)
    implementation(libs.camera.camera2)
    implementation(libs.camera.compose)
    implementation(libs.camera.lifecycle)
    implementation(libs.exifinterface)
    androidTestImplementation(libs.junit)
    androidTestImplementation(libs.test.ext)
    androidTestImplementation(libs.test.runner)
}
